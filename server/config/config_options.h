// Settings of a data plane's configuration, given at its start and never
// pushed. Every bound has a default and a reason.
#ifndef SLUICE_SERVER_CONFIG_CONFIG_OPTIONS_H_
#define SLUICE_SERVER_CONFIG_CONFIG_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "sluice/v1/control.pb.h"

namespace sluice {

// What policies may make this data plane do. A policy could otherwise send any
// secret of this machine to any host.
struct ConfigAllowLists {
  // Patterns of credential names; '*' stands for any characters but '/'. The
  // defaults leave out "env:*_TOKEN", which would match what CI systems and
  // clouds put into environments. Docker mounts secrets as /run/secrets/NAME,
  // Kubernetes as folders, /run/secrets/NAME/KEY.
  std::vector<std::string> credentials = {"env:*_API_KEY", "file:/run/secrets/*", "file:/run/secrets/*/*"};
  // Patterns of upstream and proxy hosts, "host" or "host:port". The default
  // trusts those who write policies.
  std::vector<std::string> hosts = {"*"};
};

// 1 to 63 characters of [A-Za-z0-9._-].
bool IsNodeId(std::string_view id);

struct SubscriptionOptions {
  // "host:port"; empty: no control plane.
  std::string address;
  // Connect with TLS. `ca_file`: PEM authorities to trust; empty: the system's.
  bool tls = false;
  std::string ca_file;
  // PEM files of this data plane's own certificate chain and key, for a
  // control plane that asks for one; both or none.
  std::string cert_file;
  std::string key_file;

  // IsNodeId, unique in the fleet.
  std::string node_id;
  std::map<std::string, std::string> labels;
  std::string version;

  // Full jitter: the wait before the n-th try is U(0, min(max, base · 2^n)),
  // and n starts anew only after the control plane said something (gRFC A57), so that a control
  // plane that accepts and drops is not stormed.
  absl::Duration reconnect_base = absl::Seconds(1);
  absl::Duration reconnect_max = absl::Seconds(120);
  // Finds a connection that died without a word.
  absl::Duration keepalive_interval = absl::Seconds(30);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  // TCP and TLS to one address.
  absl::Duration connect_timeout = absl::Seconds(5);

  // A control plane takes a node for alive that was heard three times as long
  // ago (push_hub.h, kAliveFor).
  absl::Duration health_interval = absl::Seconds(5);
  absl::Duration digest_interval = absl::Minutes(1);
  // A Drain is spread over at most this, whatever the server says.
  absl::Duration max_drain = absl::Minutes(10);

  // A farewell that is not taken within this is not waited for.
  absl::Duration goodbye_within = absl::Seconds(1);

  // One update, all chunks together: 10,000 endpoints are about 2 MiB.
  size_t max_update_bytes = 64 << 20;
  // One message; chunks stay under 1 MiB.
  size_t max_message_bytes = 4 << 20;
  // One answer to a query or command; the control plane takes no larger ones.
  size_t max_answer_bytes = 1 << 20;

  // What the control plane asks and orders; called on the config worker, which
  // does nothing else meanwhile. The caller fills in the answer's id. Empty:
  // answered with UNIMPLEMENTED.
  std::function<v1::Answer(const v1::Query&)> on_query;
  std::function<v1::Answer(const v1::NodeCommand&)> on_command;
};

struct ConfigOptions {
  SubscriptionOptions subscription;
  // A file or folder of policies; empty: none. With a control plane too, it
  // serves until the control plane's first update or a last-known-good.
  std::string policy_path;
  absl::Duration policy_poll_interval = absl::Seconds(1);
  // How often the files that policies name (secrets, authorities) are looked at:
  // a stat() each, and a new secret counts soon.
  absl::Duration reload_interval = absl::Seconds(5);
  // Folder of the last-known-good, made if absent; empty: none is kept.
  std::string state_dir;
  ConfigAllowLists allow;
  // Where this data plane stands; upstreams with balance.prefer_same_zone prefer
  // endpoints of the same zone. Empty: not said, so that none is preferred.
  std::string zone;
  // Figures for the control plane; called on the config worker. Its
  // config_age and uptime are filled in by the caller. May be empty.
  std::function<v1::NodeHealth()> health;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_CONFIG_OPTIONS_H_
