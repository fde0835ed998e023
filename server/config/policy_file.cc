#include "server/config/policy_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "proto/policy/findings.h"
#include "proto/policy/yaml_loader.h"

namespace sluice {
namespace {

std::vector<std::string> TextsOf(const std::vector<PolicyError>& errors) {
  std::vector<std::string> texts;
  for (const PolicyError& error : errors) texts.push_back(error.ToString());
  return texts;
}

std::string StatText(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return absl::StrCat(path, " absent\n");
  return absl::StrCat(path, " ", info.st_ino, " ", info.st_size, " ", info.st_mtim.tv_sec, ".",
                      info.st_mtim.tv_nsec, "\n");
}

}  // namespace

PolicyFileResult LoadPolicyFile(const std::string& path, uint64_t revision, PolicyCompiler& compiler, TimePoint now) {
  PolicyFileResult out;
  const LoadResult loaded = LoadPolicyPath(path);
  std::vector<PolicyError> errors = loaded.errors;
  if (!errors.empty()) {
    for (PolicyError& error : ValidateLoaded(loaded)) errors.push_back(std::move(error));
    out.errors = TextsOf(errors);
    return out;
  }
  const std::vector<const v1::Resource*> sound = SoundResources(loaded);
  out.files = LocalFileWatch::StampsOf(sound);
  CompiledPolicies compiled = compiler.Compile("", revision, sound, now);
  for (const v1::Resource* resource : sound) out.resources.push_back(*resource);
  out.errors = TextsOf(FindingsOf(loaded, compiled.violations));
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
