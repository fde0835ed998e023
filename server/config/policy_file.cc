#include "server/config/policy_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "proto/policy/kinds.h"
#include "proto/policy/yaml_loader.h"
#include "server/config/resource_set.h"

namespace sluice {
namespace {

// A violation as an error of the file, at the line that is to blame.
std::string AtItsLine(const v1::Violation& violation, const std::vector<LoadedResource>& loaded) {
  PolicyError error;
  error.path = violation.path();
  error.message = violation.message();
  if (!violation.resource().name().empty()) {
    error.resource = ResourceId(violation.resource().kind(), violation.resource().name());
  }
  for (const LoadedResource& each : loaded) {
    if (ResourceId(each.resource) != error.resource) continue;
    error.file = each.file;
    error.line = each.LineOf(violation.path());
    return error.ToString();
  }
  return ViolationText(violation);
}

std::string StatText(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return absl::StrCat(path, " absent\n");
  return absl::StrCat(path, " ", info.st_ino, " ", info.st_size, " ", info.st_mtim.tv_sec, ".",
                      info.st_mtim.tv_nsec, "\n");
}

}  // namespace

PolicyFileResult LoadPolicyFile(const std::string& path, uint64_t revision, PolicyCompiler& compiler) {
  PolicyFileResult out;
  const LoadResult loaded = LoadPolicyPath(path);
  for (const PolicyError& error : loaded.errors) out.errors.push_back(error.ToString());
  if (!out.errors.empty()) return out;
  std::vector<const v1::Resource*> resources;
  for (const LoadedResource& each : loaded.resources) resources.push_back(&each.resource);
  CompiledPolicies compiled = compiler.Compile("", revision, resources);
  for (const v1::Violation& violation : compiled.violations) {
    out.errors.push_back(AtItsLine(violation, loaded.resources));
  }
  out.table = std::move(compiled.table);
  return out;
}

std::string PolicyFileFingerprint(const std::string& path) {
  std::string text = StatText(path);
  std::error_code error;
  std::vector<std::string> names;
  for (auto it = std::filesystem::directory_iterator(path, error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    names.push_back(it->path().string());
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) text += StatText(name);
  return text;
}

}  // namespace sluice
