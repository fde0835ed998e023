#include "server/config/config_manager.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "proto/policy/duration_text.h"
#include "server/config/config_subscription.h"
#include "server/config/config_worker.h"
#include "server/config/last_known_good.h"
#include "server/config/local_renewal.h"
#include "server/config/policy_bundle.h"
#include "server/config/policy_compiler.h"
#include "server/config/policy_file.h"

namespace sluice {
namespace {

// The clock of the loops, for the states that calls on them use.
TimePoint SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

std::string Summary(const std::vector<std::string>& lines) {
  return lines.size() == 1 ? lines[0] : absl::StrCat(lines[0], " (and ", lines.size() - 1, " more)");
}

std::vector<std::string> Texts(const std::vector<v1::Violation>& violations) {
  std::vector<std::string> texts;
  for (const v1::Violation& violation : violations) texts.push_back(ViolationText(violation));
  return texts;
}

}  // namespace

bool IsNodeId(std::string_view id) {
  return !id.empty() && id.size() <= 63 && std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
}

class ConfigManager::Impl : public ConfigReceiver {
 public:
  Impl(ConfigOptions options, grpc::CompletionQueue* queue)
      : options_(std::move(options)), queue_(queue), compiler_(options_.allow, options_.zone), started_(absl::Now()) {}

  absl::Status Start();
  void Stop();
  void Reload() {
    worker_.Post([this] {
      ReloadNow();
      if (subscription_ != nullptr) subscription_->RetryRefused();
    });
  }
  void CredentialRefused(std::string_view credential) { renewal_.CredentialRefused(credential); }
  std::vector<RenewalFigures> renewals() const;

  v1::PoliciesInForce PoliciesPiece(uint64_t offset) { return bundler_.Piece(held_, offset); }

  const RouteTableSource& tables() const { return tables_; }
  const std::vector<std::string>& errors() const { return errors_; }
  ConfigStatus status() const {
    std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  bool follows() const { return !options_.subscription.address.empty(); }

  absl::Status CheckOptions() const;
  // Each tells whether a table is in force now.
  bool BootFromLastKnownGood();
  bool LoadFile();
  void PollFile();
  void ReloadNow();
  // The policies in force, with this machine's files as they are now.
  void Renew();
  void TryRefusedAgain();
  void PutInForce(std::shared_ptr<const RouteTable> table, ConfigSource source, absl::Time applied_at);
  void Refused(const std::vector<std::string>& lines);
  void SaveSoon();
  bool ConfirmsWhatIsInForce(const v1::Update& update);

  // ConfigReceiver
  void DescribeHeld(v1::Hello& hello) override;
  v1::Digest MakeDigest() override;
  v1::NodeHealth MakeHealth() override;
  std::vector<v1::Violation> Receive(const v1::Update& update) override;
  void Connected() override;
  void Disconnected(const std::string& why) override;

  const ConfigOptions options_;
  grpc::CompletionQueue* const queue_;
  ConfigWorker worker_;
  RouteTableSource tables_;
  std::vector<std::string> errors_;

  // On the worker, and in Start before the worker runs.
  PolicyCompiler compiler_;
  std::unique_ptr<LastKnownGood> last_known_good_;
  std::unique_ptr<ConfigSubscription> subscription_;
  ResourceSet held_;  // from the control plane
  PolicyBundler bundler_;
  std::string file_fingerprint_;  // as loaded
  std::string file_seen_;         // at the last look
  uint64_t file_revision_ = 0;
  bool file_refused_ = false;     // at its last reading
  std::vector<v1::Resource> file_resources_;  // in force while the file is
  LocalRenewal renewal_{worker_, compiler_.resolver(), options_.reload_interval,
                        {[this] { Renew(); }, [this] { TryRefusedAgain(); }}};
  bool save_posted_ = false;
  const absl::Time started_;

  mutable std::mutex mutex_;
  ConfigStatus status_ ABSL_GUARDED_BY(mutex_);
  bool running_ = false;
};

absl::Status ConfigManager::Impl::CheckOptions() const {
  const SubscriptionOptions& subscription = options_.subscription;
  if (!follows()) {
    return options_.policy_path.empty()
               ? absl::InvalidArgumentError("no policies: give a control plane's address or a policy file")
               : absl::OkStatus();
  }
  if (!IsNodeId(subscription.node_id)) {
    return absl::InvalidArgumentError(
        absl::StrCat("node id \"", subscription.node_id, "\" must be 1 to 63 characters of [A-Za-z0-9._-]"));
  }
  if (queue_ == nullptr) return absl::InvalidArgumentError("a control plane needs a completion queue");
  return absl::OkStatus();
}

absl::Status ConfigManager::Impl::Start() {
  if (absl::Status fit = CheckOptions(); !fit.ok()) return fit;
  if (follows() && !options_.state_dir.empty()) {
    auto opened = LastKnownGood::Open(options_.state_dir);
    if (!opened.ok()) return opened.status();
    last_known_good_ = *std::move(opened);
  }
  const bool booted = BootFromLastKnownGood();
  if (!booted && !options_.policy_path.empty() && !LoadFile() && !follows()) {
    std::string all;
    for (const std::string& error : errors_) absl::StrAppend(&all, all.empty() ? "" : "\n", error);
    return absl::InvalidArgumentError(all);
  }
  running_ = true;
  renewal_.Start();
  worker_.Start();
  if (!options_.policy_path.empty()) {
    worker_.PostAfter(options_.policy_poll_interval, [this] { PollFile(); });
  }
  if (follows()) {
    subscription_ = std::make_unique<ConfigSubscription>(options_.subscription, queue_, worker_, *this);
    worker_.Post([this] { subscription_->Start(); });
  }
  return absl::OkStatus();
}

void ConfigManager::Impl::Stop() {
  if (!running_) return;
  running_ = false;
  if (subscription_ != nullptr) {
    absl::Notification stopped;
    worker_.Post([this, &stopped] { subscription_->Stop([&stopped] { stopped.Notify(); }); });
    stopped.WaitForNotification();
  }
  worker_.Stop();
}

bool ConfigManager::Impl::BootFromLastKnownGood() {
  if (last_known_good_ == nullptr) return false;
  std::vector<std::string> problems;
  std::vector<SavedConfig> generations = last_known_good_->Load(problems);
  for (const std::string& problem : problems) spdlog::warn("last-known-good not used: {}", problem);
  for (SavedConfig& saved : generations) {
    CompiledPolicies compiled = compiler_.Compile(saved.set.epoch, saved.set.revision, saved.set.All(), SteadyNow());
    for (const std::string& line : Texts(compiled.violations)) {
      spdlog::warn("last-known-good not used: {}: {}", saved.path, line);
    }
    if (compiled.table == nullptr) continue;
    held_ = std::move(saved.set);
    PutInForce(std::move(compiled.table), ConfigSource::kLastKnownGood, saved.saved_at);
    return true;
  }
  return false;
}

bool ConfigManager::Impl::LoadFile() {
  // Before it is read: a change meanwhile is seen by the next look.
  file_fingerprint_ = PolicyFileFingerprint(options_.policy_path);
  PolicyFileResult loaded = LoadPolicyFile(options_.policy_path, file_revision_ + 1, compiler_, SteadyNow());
  if (loaded.table != nullptr && loaded.table->routes().empty()) {
    // Nobody means that: it was emptied to be written anew, or is the wrong one.
    loaded.table = nullptr;
    loaded.errors = {options_.policy_path + ": holds no route; at least one is needed to serve calls"};
  }
  file_refused_ = loaded.table == nullptr;
  if (file_refused_) {
    renewal_.Await(std::move(loaded.files));
    // After Start nobody reads errors() any more for this.
    if (!running_) errors_ = loaded.errors;
    // Where Start fails for it, whoever called Start says why, once.
    if (running_ || follows()) Refused(loaded.errors);
    return false;
  }
  ++file_revision_;
  file_resources_ = std::move(loaded.resources);
  PutInForce(std::move(loaded.table), ConfigSource::kFile, absl::Now());
  return true;
}

void ConfigManager::Impl::PollFile() {
  const ConfigSource source = status().source;
  const bool file_counts = source == ConfigSource::kFile || source == ConfigSource::kNone;
  // Only what stayed as it is between two looks: half a file can be a valid one.
  const std::string seen = PolicyFileFingerprint(options_.policy_path);
  if (file_counts && seen != file_fingerprint_ && seen == file_seen_) LoadFile();
  file_seen_ = seen;
  worker_.PostAfter(options_.policy_poll_interval, [this] { PollFile(); });
}

void ConfigManager::Impl::ReloadNow() {
  const ConfigStatus now = status();
  if (now.source == ConfigSource::kFile || now.source == ConfigSource::kNone) {
    if (!options_.policy_path.empty()) LoadFile();
  } else {
    Renew();
  }
  // Tells what cannot be used, and takes what can where the file was refused.
  renewal_.LookNow();
}

void ConfigManager::Impl::Renew() {
  const ConfigStatus now = status();
  const std::shared_ptr<const RouteTable> in_force = tables_.Current();
  if (in_force == nullptr) return;
  std::vector<const v1::Resource*> resources;
  if (now.source == ConfigSource::kFile) {
    for (const v1::Resource& resource : file_resources_) resources.push_back(&resource);
  } else {
    // What is held is not in force where the control plane has no policies.
    if (held_.epoch != now.epoch || held_.revision != now.revision) return;
    resources = held_.All();
  }
  CompiledPolicies compiled =
      compiler_.Compile(in_force->epoch(), in_force->revision(), resources, SteadyNow(), in_force.get());
  if (compiled.table == nullptr) return Refused(Texts(compiled.violations));
  PutInForce(std::move(compiled.table), now.source, now.applied_at);
}

void ConfigManager::Impl::TryRefusedAgain() {
  if (subscription_ != nullptr) subscription_->RetryRefused();
  const ConfigSource source = status().source;
  if (file_refused_ && (source == ConfigSource::kFile || source == ConfigSource::kNone)) LoadFile();
}

std::vector<RenewalFigures> ConfigManager::Impl::renewals() const {
  std::vector<RenewalFigures> all = renewal_.figures();
  if (subscription_ != nullptr) {
    if (auto own = subscription_->renewal()) all.push_back(*std::move(own));
  }
  return all;
}

void ConfigManager::Impl::PutInForce(std::shared_ptr<const RouteTable> table, ConfigSource source,
                                     absl::Time applied_at) {
  const std::string epoch = table->epoch();
  const uint64_t revision = table->revision();
  const size_t routes = table->routes().size();
  spdlog::info("revision {} from {} is in force: {} routes", revision, ConfigSourceName(source), routes);
  {
    // Together: whoever sees the new table sees its status too.
    std::lock_guard lock(mutex_);
    tables_.Set(table);
    status_.source = source;
    status_.epoch = epoch;
    status_.revision = revision;
    status_.applied_at = applied_at;
    status_.last_error.clear();
    ++status_.updates_applied;
  }
  // Only a revision in force tells the states its thresholds: one that is
  // refused changes nothing.
  table->ConfigureStates(SteadyNow());
  renewal_.Follow(*table);
}

void ConfigManager::Impl::Refused(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) spdlog::error("refused: {}", line);
  std::lock_guard lock(mutex_);
  status_.last_error = Summary(lines);
  ++status_.updates_refused;
}

// After the answer, which need not wait for a disk; updates that come fast
// share one.
void ConfigManager::Impl::SaveSoon() {
  if (last_known_good_ == nullptr || save_posted_) return;
  save_posted_ = true;
  worker_.Post([this] {
    save_posted_ = false;
    const absl::Status saved = last_known_good_->Save(held_, absl::Now());
    if (!saved.ok()) spdlog::error("last-known-good not saved: {}", std::string(saved.message()));
  });
}

void ConfigManager::Impl::DescribeHeld(v1::Hello& hello) {
  hello.set_epoch(held_.epoch);
  hello.set_revision(held_.revision);
  for (v1::ResourceVersion& version : held_.Versions()) *hello.add_have() = std::move(version);
  hello.set_source(static_cast<v1::ConfigSource>(status().source));
}

v1::Digest ConfigManager::Impl::MakeDigest() {
  v1::Digest digest;
  digest.set_epoch(held_.epoch);
  digest.set_revision(held_.revision);
  digest.set_sha256(held_.Sha256());
  return digest;
}

v1::NodeHealth ConfigManager::Impl::MakeHealth() {
  v1::NodeHealth health = options_.health ? options_.health() : v1::NodeHealth();
  const absl::Time now = absl::Now();
  *health.mutable_uptime() = ToProto(now - started_);
  const absl::Time applied_at = status().applied_at;
  if (applied_at != absl::InfinitePast()) {
    *health.mutable_config_age() = ToProto(std::max(absl::ZeroDuration(), now - applied_at));
  }
  return health;
}

// After a boot from the last-known-good: the control plane has nothing newer.
bool ConfigManager::Impl::ConfirmsWhatIsInForce(const v1::Update& update) {
  if (update.snapshot() || update.upserts_size() + update.removals_size() + update.endpoint_changes_size() > 0) {
    return false;
  }
  std::lock_guard lock(mutex_);
  if (status_.epoch != update.epoch() || status_.revision != update.revision() || held_.revision != update.revision()) {
    return false;
  }
  status_.source = ConfigSource::kControlPlane;
  status_.last_error.clear();
  return true;
}

std::vector<v1::Violation> ConfigManager::Impl::Receive(const v1::Update& update) {
  UpdatedSet updated = ApplyUpdate(held_, update);
  if (updated.violations.empty() && updated.set.revision == 0 && updated.set.resources.empty()) {
    // A control plane that never had policies: what runs here, runs on.
    held_ = std::move(updated.set);
    return {};
  }
  if (updated.violations.empty() && ConfirmsWhatIsInForce(update)) return {};
  CompiledPolicies compiled;
  LocalFileWatch::Stamps files;
  if (updated.violations.empty()) {
    files = LocalFileWatch::StampsOf(updated.set.All());
    compiled = compiler_.Compile(updated.set.epoch, updated.set.revision, updated.set.All(), SteadyNow());
  } else {
    compiled.violations = std::move(updated.violations);
  }
  if (compiled.table == nullptr) {
    Refused(Texts(compiled.violations));
    renewal_.Await(std::move(files));
    return compiled.violations;
  }
  held_ = std::move(updated.set);
  const absl::Time now = absl::Now();
  PutInForce(std::move(compiled.table), ConfigSource::kControlPlane, now);
  if (update.has_committed()) {
    std::lock_guard lock(mutex_);
    status_.push_latency = std::max(absl::ZeroDuration(), now - ToAbsl(update.committed()));
  }
  SaveSoon();
  return {};
}

void ConfigManager::Impl::Connected() {
  spdlog::info("connected to the control plane {}", options_.subscription.address);
  std::lock_guard lock(mutex_);
  status_.connected = true;
  ++status_.connects;
}

void ConfigManager::Impl::Disconnected(const std::string& why) {
  if (!why.empty()) spdlog::warn("{}", why);
  std::lock_guard lock(mutex_);
  status_.connected = false;
  if (!why.empty()) status_.last_error = why;
}

ConfigManager::ConfigManager(ConfigOptions options, grpc::CompletionQueue* queue)
    : impl_(std::make_unique<Impl>(std::move(options), queue)) {}
ConfigManager::~ConfigManager() { Stop(); }
absl::Status ConfigManager::Start() { return impl_->Start(); }
void ConfigManager::Stop() { impl_->Stop(); }
void ConfigManager::Reload() { impl_->Reload(); }
void ConfigManager::CredentialRefused(std::string_view credential) { impl_->CredentialRefused(credential); }
std::vector<RenewalFigures> ConfigManager::renewals() const { return impl_->renewals(); }
v1::PoliciesInForce ConfigManager::PoliciesPiece(uint64_t offset) { return impl_->PoliciesPiece(offset); }
const RouteTableSource& ConfigManager::tables() const { return impl_->tables(); }
ConfigStatus ConfigManager::status() const { return impl_->status(); }
const std::vector<std::string>& ConfigManager::errors() const { return impl_->errors(); }

}  // namespace sluice
