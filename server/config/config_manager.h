// All of a data plane's configuration: loads the last-known-good or the policy
// file, follows the control plane, watches the file, and puts each valid
// revision in force.
//
// Who wins: the control plane once it answers; before that the last-known-good
// (which came from it); before that the policy file. A control plane that has
// no policies at all (revision 0) takes nothing away.
//
// Owned by main. One worker thread does the work; the notification thread only
// hands completions over to it.
#ifndef SLUICE_SERVER_CONFIG_CONFIG_MANAGER_H_
#define SLUICE_SERVER_CONFIG_CONFIG_MANAGER_H_

#include <grpcpp/completion_queue.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "proto/tls/renewal_figures.h"
#include "server/config/config_options.h"
#include "server/config/config_status.h"
#include "server/config/route_table_source.h"

namespace sluice {

// Thread-safe, but for Start and Stop, which one thread calls.
class ConfigManager {
 public:
  // `queue` carries sluice::CompletionTag* and is drained by somebody from
  // before the first completion until after Stop(). May be null without a
  // control plane.
  ConfigManager(ConfigOptions options, grpc::CompletionQueue* queue);
  // Stops.
  ~ConfigManager();

  // Loads what is there and begins to follow. Serves at once when it returns
  // OK with a policy file or a last-known-good; with a control plane alone
  // there is no table until its first update. Fails (INVALID_ARGUMENT) when
  // the policy file is the only source and is not valid: one error a line,
  // also in errors(); and for settings that make no sense.
  absl::Status Start();
  // Ends the stream and the thread. Blocks until the queue has given the last
  // completion back, so call it before the queue is shut down, from another
  // thread than the one that drains the queue.
  void Stop();

  // Reads the policy file again, and secrets in any case (SIGHUP); what was
  // refused of the control plane is asked for again. Returns at
  // once; a result that is not valid is logged and changes nothing.
  void Reload();
  // An upstream refused this credential: if it is a file's and another one by
  // now, it is taken at once. Any thread; does not block.
  void CredentialRefused(std::string_view credential);
  // Of secrets, authorities and the control plane's certificates; any thread, after Start.
  std::vector<RenewalFigures> renewals() const;

  // A piece of what is held from the control plane. On the config worker only:
  // within ConfigOptions::subscription.on_query.
  v1::PoliciesInForce PoliciesPiece(uint64_t offset);

  const RouteTableSource& tables() const;
  ConfigStatus status() const;
  // What Start found wrong with the policy file, one line each.
  const std::vector<std::string>& errors() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice

#endif  // SLUICE_SERVER_CONFIG_CONFIG_MANAGER_H_
