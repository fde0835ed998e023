#include "server/telemetry/collectors.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "server/telemetry/families.h"

namespace sluice {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

// Connections by endpoint, several loops summed.
std::map<std::string, ConnectionFigures> Summed(const std::vector<ConnectionFigures>& all, size_t max_endpoints) {
  std::map<std::string, ConnectionFigures> sums;
  for (const ConnectionFigures& one : all) {
    const bool known = sums.count(one.endpoint) != 0 || sums.size() < max_endpoints;
    ConnectionFigures& sum = sums[known ? one.endpoint : "other"];
    sum.open += one.open;
    sum.idle += one.idle;
    sum.connects += one.connects;
    sum.reuses += one.reuses;
  }
  return sums;
}

int CountOpenFds() {
  std::error_code error;
  int count = 0;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    ++count;
  }
  // One of them was the folder itself.
  return count > 0 ? count - 1 : 0;
}

// Fields of /proc/self/stat after the command, which may hold anything:
// the state is the first of them (number 3 in proc(5)).
std::vector<std::string> StatFields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const size_t end = line.rfind(')');
  if (end == std::string::npos || end + 2 > line.size()) return {};
  return absl::StrSplit(line.substr(end + 2), ' ');
}

double StatField(const std::vector<std::string>& fields, size_t number) {
  double value = 0;
  if (number - 3 < fields.size() && !absl::SimpleAtod(fields[number - 3], &value)) value = 0;
  return value;
}

// Seconds since the epoch at which the machine started.
double BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    if (word == "btime") {
      double seconds = 0;
      file >> seconds;
      return seconds;
    }
  }
  return 0;
}

}  // namespace

std::vector<MetricFamily> ConfigCollector::Collect() const {
  const ConfigStatus status = status_();
  std::vector<MetricFamily> out;
  out.push_back(SingleFamily("sluice_config_revision", "Revision of the policies in force; 0: none.", MetricType::Gauge,
                       static_cast<double>(status.revision)));
  const bool applied = status.source != ConfigSource::kNone && status.applied_at != absl::InfinitePast();
  out.push_back(SingleFamily("sluice_config_age_seconds", "Time since the policies in force were applied.",
                       MetricType::Gauge, applied ? absl::ToDoubleSeconds(absl::Now() - status.applied_at) : 0));
  MetricFamily source{"sluice_config_source", "1 for where the policies in force came from.", MetricType::Gauge, {}};
  for (ConfigSource each : {ConfigSource::kNone, ConfigSource::kControlPlane, ConfigSource::kLastKnownGood,
                            ConfigSource::kFile}) {
    AddSample(source, {{"source", std::string(ConfigSourceName(each))}}, each == status.source ? 1 : 0);
  }
  out.push_back(std::move(source));
  out.push_back(SingleFamily("sluice_config_connected", "1 while the stream from the control plane is up.",
                       MetricType::Gauge, status.connected ? 1 : 0));
  MetricFamily updates{"sluice_config_updates_total", "Revisions that were put in force or refused.",
                       MetricType::Counter, {}};
  AddSample(updates, {{"result", "applied"}}, static_cast<double>(status.updates_applied));
  AddSample(updates, {{"result", "refused"}}, static_cast<double>(status.updates_refused));
  out.push_back(std::move(updates));
  out.push_back(SingleFamily("sluice_config_connects_total", "Streams opened to the control plane.", MetricType::Counter,
                       static_cast<double>(status.connects)));
  if (status.push_latency) {
    out.push_back(SingleFamily("sluice_config_push_latency_seconds",
                         "From the commit of the last pushed revision to its being in force here.",
                         MetricType::Gauge, absl::ToDoubleSeconds(*status.push_latency)));
  }
  return out;
}

std::vector<MetricFamily> ConnectionCollector::Collect() const {
  MetricFamily open{"sluice_upstream_connections", "Connections to upstream endpoints.", MetricType::Gauge, {}};
  MetricFamily connects{"sluice_upstream_connects_total", "Connections opened.", MetricType::Counter, {}};
  MetricFamily reuses{"sluice_upstream_connection_reuses_total", "Requests that took an idle connection.",
                      MetricType::Counter, {}};
  for (const auto& [endpoint, sum] : Summed(figures_(), max_endpoints_)) {
    AddSample(open, {{"endpoint", endpoint}, {"state", "busy"}}, static_cast<double>(sum.open - sum.idle));
    AddSample(open, {{"endpoint", endpoint}, {"state", "idle"}}, static_cast<double>(sum.idle));
    AddSample(connects, {{"endpoint", endpoint}}, static_cast<double>(sum.connects));
    AddSample(reuses, {{"endpoint", endpoint}}, static_cast<double>(sum.reuses));
  }
  return {std::move(open), std::move(connects), std::move(reuses)};
}

std::vector<MetricFamily> ProcessCollector::Collect() const {
  const auto fields = StatFields();
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  std::vector<MetricFamily> out;
  out.push_back(SingleFamily("sluice_build_info", "1, with the version of this program.", MetricType::Gauge, 1,
                       {{"version", version_}}));
  // Numbers of the fields as in proc(5).
  out.push_back(SingleFamily("process_cpu_seconds_total", "User and system CPU time.", MetricType::Counter,
                       (StatField(fields, 14) + StatField(fields, 15)) / ticks));
  out.push_back(SingleFamily("process_start_time_seconds", "When the process started, since the Unix epoch.",
                       MetricType::Gauge, BootTime() + StatField(fields, 22) / ticks));
  out.push_back(SingleFamily("process_virtual_memory_bytes", "Virtual memory.", MetricType::Gauge, StatField(fields, 23)));
  out.push_back(SingleFamily("process_resident_memory_bytes", "Resident memory.", MetricType::Gauge,
                       StatField(fields, 24) * static_cast<double>(sysconf(_SC_PAGESIZE))));
  out.push_back(SingleFamily("process_open_fds", "Open file descriptors.", MetricType::Gauge, CountOpenFds()));
  out.push_back(SingleFamily("process_max_fds", "File descriptors that may be open.", MetricType::Gauge,
                       static_cast<double>(limit.rlim_cur)));
  return out;
}

}  // namespace sluice
