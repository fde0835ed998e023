// YAML or JSON documents → resources, driven by the descriptors. Reports every
// error with its line, not only the first (API.md of the project tells why
// YAML → JSON → protobuf would not do).
#ifndef SLUICE_PROTO_POLICY_YAML_LOADER_H_
#define SLUICE_PROTO_POLICY_YAML_LOADER_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "sluice/v1/policy.pb.h"

namespace sluice {

// Something wrong at a place in a file.
struct PolicyError {
  std::string file;
  int line = 0;          // 1-based; 0: unknown
  std::string resource;  // "route/chat", or ""
  std::string path;      // "retry.backoff.exponential.max", or ""
  std::string message;   // what is wrong, the value, what would be right

  // "broken.yaml:14: route/chat: retry.max: …"
  std::string ToString() const;
};

// One document.
struct LoadedResource {
  v1::Resource resource;
  std::string file;
  int line = 0;
  // Field path → line, so that later findings can name the line too.
  std::map<std::string, int> lines;
  // Its comments, as yaml_comments.h keeps them, where they were asked for.
  std::string comments;
  // False: errors tell what of it could not be read.
  bool sound = true;

  // The line of a path, or of its nearest parent.
  int LineOf(std::string_view path) const;
};

// What could not be made a resource at all: others may refer to it. "": not
// known either.
struct LostDocument {
  std::string kind;
  std::string name;
};

struct LoadResult {
  std::vector<LoadedResource> resources;
  std::vector<PolicyError> errors;
  std::vector<LostDocument> lost;

  // Moves what `other` has behind what is here.
  void Append(LoadResult other);
};

struct LoadOptions {
  // With what stands behind '#'.
  bool comments = false;
};

// `file` is only for messages. Bounds: 16 MiB of text, 64 levels of nesting,
// no YAML aliases (they can blow up).
LoadResult LoadPolicyText(std::string_view text, std::string_view file, const LoadOptions& options = {});

// A file, a folder (its *.yaml, *.yml and *.json, in order of name), or "-" for
// standard input. What cannot be read is an error naming it.
LoadResult LoadPolicyPath(const std::string& path, const LoadOptions& options = {});

// Sets one field of a spec from YAML text ("max_attempts", "4"); "null" unsets.
// INVALID_ARGUMENT names path, value and what would be right.
absl::Status SetPolicyField(v1::Resource& resource, std::string_view path, std::string_view yaml);

}  // namespace sluice

#endif  // SLUICE_PROTO_POLICY_YAML_LOADER_H_
