// Files and folders of policies.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <istream>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"

#include "proto/policy/duplicate_resources.h"
#include "proto/policy/kinds.h"
#include "proto/policy/policy_node.h"
#include "proto/policy/yaml_loader.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

LoadResult Failure(const std::string& file, std::string message) {
  LoadResult result;
  result.errors.push_back({file, 0, "", "", std::move(message)});
  result.lost.emplace_back();
  return result;
}

// Never reads more than the loader accepts and one byte, so that /dev/zero is
// refused too.
LoadResult LoadStream(std::istream& in, const std::string& file, const LoadOptions& options) {
  std::string text(NodeLimits().bytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (in.bad()) return Failure(file, "cannot be read");
  return LoadPolicyText(text, file, options);
}

LoadResult LoadFile(const std::string& path, const LoadOptions& options) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return Failure(path, absl::StrCat("cannot be opened: ", std::strerror(errno)));
  return LoadStream(in, path, options);
}

bool IsPolicyFile(const fs::directory_entry& entry) {
  const std::string suffix = entry.path().extension();
  // "..data" and its like are how Kubernetes mounts a ConfigMap.
  const bool hidden = entry.path().filename().string().front() == '.';
  return !hidden && entry.is_regular_file() &&
         (suffix == ".yaml" || suffix == ".yml" || suffix == ".json");
}

LoadResult LoadFolder(const std::string& folder, const LoadOptions& options) {
  std::error_code error;
  std::vector<std::string> files;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (IsPolicyFile(*it)) files.push_back(it->path());
  }
  if (error) return Failure(folder, absl::StrCat("cannot be read: ", error.message()));
  if (files.empty()) return Failure(folder, "has no *.yaml, *.yml or *.json file");
  std::sort(files.begin(), files.end());
  LoadResult all;
  for (const std::string& file : files) {
    all.Append(LoadFile(file, options));
  }
  RefuseDuplicateResources(all);
  return all;
}

}  // namespace

void RefuseDuplicateResources(LoadResult& result) {
  std::map<std::string, std::string> places;
  std::vector<LoadedResource> kept;
  for (LoadedResource& loaded : result.resources) {
    const std::string id = ResourceId(loaded.resource);
    const auto [place, added] =
        places.emplace(id, absl::StrCat(loaded.file, ":", loaded.line));
    if (added || loaded.resource.meta().name().empty()) {
      kept.push_back(std::move(loaded));
      continue;
    }
    result.errors.push_back({loaded.file, loaded.line, id, "",
                             absl::StrCat("is defined twice; first at ", place->second)});
  }
  result.resources = std::move(kept);
}

LoadResult LoadPolicyPath(const std::string& path, const LoadOptions& options) {
  if (path == "-") return LoadStream(std::cin, "stdin", options);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return Failure(path, "does not exist");
  if (error) return Failure(path, absl::StrCat("cannot be read: ", error.message()));
  return fs::is_directory(status) ? LoadFolder(path, options) : LoadFile(path, options);
}

}  // namespace sluice
