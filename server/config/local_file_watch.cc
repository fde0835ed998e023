#include "server/config/local_file_watch.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/config/local_files.h"

namespace sluice {
namespace {

constexpr std::string_view kFilePrefix = "file:";
constexpr std::string_view kAuthoritiesPrefix = "ca:";

int64_t Nanoseconds(const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

}  // namespace

FileStamp StampOf(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return {};
  return {true,
          info.st_dev,
          info.st_ino,
          static_cast<uint64_t>(info.st_size),
          Nanoseconds(info.st_mtim),
          Nanoseconds(info.st_ctim)};
}

void LocalFileWatch::Follow(const RouteTable& table, absl::Time now) {
  std::map<std::string, File> files;
  const UsedLocally used = UsedLocally::By(table);
  for (const auto& [name, secret] : used.secrets) {
    if (!std::string_view(name).starts_with(kFilePrefix)) continue;
    Add(files, name, {Kind::kSecret, name.substr(kFilePrefix.size()), secret, std::nullopt, std::nullopt}, now);
  }
  for (const auto& [path, authorities] : used.authorities) {
    Add(files, absl::StrCat(std::string(kAuthoritiesPrefix), path),
        {Kind::kAuthorities, path, authorities->digest(), std::nullopt, std::nullopt}, now);
  }
  files_ = std::move(files);
}

void LocalFileWatch::Add(std::map<std::string, File>& files, const std::string& name, File file, absl::Time now) {
  const auto before = files_.find(name);
  if (before != files_.end() && before->second.in_force == file.in_force) {
    file = std::move(before->second);
  } else {
    figures_[file.kind].taken = now;
  }
  files[name] = std::move(file);
}

LocalFileWatch::News LocalFileWatch::Look(size_t most) {
  News news;
  if (next_ && next_->empty()) LookAtAwaited(news);
  auto file = files_.lower_bound(next_.value_or(""));
  for (size_t i = 0; i < most && file != files_.end(); ++i, ++file) LookAt(file->first, file->second, Why::kTime, news);
  next_ = file == files_.end() ? std::nullopt : std::optional(file->first);
  return news;
}

LocalFileWatch::News LocalFileWatch::LookAgain() {
  News news;
  for (auto& [name, file] : files_) {
    if (file.seen) LookAt(name, file, Why::kTime, news);
  }
  return news;
}

LocalFileWatch::News LocalFileWatch::LookClosely(const std::string& credential) {
  News news;
  const auto file = files_.find(credential);
  if (file != files_.end()) LookAt(file->first, file->second, Why::kRefused, news);
  return news;
}

LocalFileWatch::News LocalFileWatch::LookCloselyAtAll() {
  News news;
  for (auto& [name, file] : files_) LookAt(name, file, Why::kAsked, news);
  return news;
}

void LocalFileWatch::LookAt(const std::string& name, File& file, Why why, News& news) {
  const FileStamp stamp = StampOf(file.path);
  const bool same = file.known == stamp;
  if (why == Why::kTime) {
    if (same) return file.seen.reset();
    if (file.seen != stamp) {
      file.seen = stamp;
      news.unsettled = true;
      return;
    }
  }
  file.seen.reset();
  // Before it is read: a change meanwhile shows at the next look.
  file.known = stamp;
  Read(name, file, !same || why == Why::kAsked, news);
}

void LocalFileWatch::Read(const std::string& name, File& file, bool tell, News& news) {
  std::string now, problem;
  if (file.kind == Kind::kSecret) {
    const absl::StatusOr<std::string> secret = resolver_.Resolve(name);
    if (secret.ok()) now = *secret;
    if (!secret.ok()) problem = absl::StrCat(secret.status().message(), "; the secret that was read before is kept");
  } else {
    const auto authorities = ReadAuthorities(file.path);
    if (authorities.ok()) now = (*authorities)->digest();
    if (!authorities.ok()) {
      problem = absl::StrCat("tls.ca_file ", file.path, ": ", authorities.status().message(),
                             "; the authorities that were read before are kept");
    }
  }
  if (!problem.empty()) {
    if (!tell) return;
    ++figures_[file.kind].failures;
    news.problems.push_back(std::move(problem));
    return;
  }
  if (now == file.in_force) return;
  // Until it is in force, each look finds it again.
  file.known.reset();
  if (file.kind == Kind::kSecret) {
    news.secrets.insert(name);
  } else {
    news.authorities = true;
  }
}

LocalFileWatch::Stamps LocalFileWatch::StampsOf(absl::Span<const v1::Resource* const> resources) {
  Stamps stamps;
  const auto add = [&](std::string_view path) { stamps.emplace(std::string(path), StampOf(std::string(path))); };
  const auto add_secret = [&](std::string_view name) {
    if (name.starts_with(kFilePrefix)) add(name.substr(kFilePrefix.size()));
  };
  for (const v1::Resource* resource : resources) {
    if (!resource->has_upstream()) continue;
    const v1::Upstream& upstream = resource->upstream();
    add_secret(upstream.credential());
    for (const std::string& name : upstream.credentials()) add_secret(name);
    if (!upstream.tls().ca_file().empty()) add(upstream.tls().ca_file());
  }
  return stamps;
}

void LocalFileWatch::LookAtAwaited(News& news) {
  for (const auto& [path, before] : awaited_) {
    if (StampOf(path) != before) news.awaited = true;
  }
  if (news.awaited) awaited_.clear();
}

std::vector<RenewalFigures> LocalFileWatch::figures() const {
  std::vector<RenewalFigures> all;
  for (const auto& [kind, figures] : figures_) {
    const char* what = kind == Kind::kSecret ? "credentials" : "upstream_ca";
    all.push_back({what, figures.failures, figures.taken, std::nullopt});
  }
  return all;
}

}  // namespace sluice
