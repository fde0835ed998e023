// Policies written as YAML, and what the validator says of them. For tests of
// the validator.
#ifndef SLUICE_TESTS_PROTO_VALIDATE_TEXT_H_
#define SLUICE_TESTS_PROTO_VALIDATE_TEXT_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "proto/policy/kinds.h"
#include "proto/policy/validator.h"
#include "proto/policy/yaml_loader.h"

namespace sluice {

inline std::vector<v1::Violation> Validate(const std::string& yaml) {
  const LoadResult loaded = LoadPolicyText(yaml, "p.yaml");
  for (const PolicyError& error : loaded.errors) ADD_FAILURE() << error.ToString();
  std::vector<const v1::Resource*> all;
  for (const LoadedResource& one : loaded.resources) all.push_back(&one.resource);
  return ValidatePolicies(all);
}

inline std::vector<std::string> Texts(const std::vector<v1::Violation>& violations) {
  std::vector<std::string> texts;
  for (const v1::Violation& v : violations) {
    texts.push_back(absl::StrCat(v.code(), " ", ResourceId(v.resource().kind(), v.resource().name()),
                                 " ", v.path(), ": ", v.message()));
  }
  return texts;
}

struct Row {
  std::string name;
  std::string yaml;
  std::string violation;  // "" : valid
};

inline std::string NameOf(const ::testing::TestParamInfo<Row>& info) { return info.param.name; }

inline void ExpectRow(const Row& row) {
  const auto texts = Texts(Validate(row.yaml));
  if (row.violation.empty()) {
    EXPECT_THAT(texts, ::testing::IsEmpty());
  } else {
    EXPECT_THAT(texts, ::testing::ElementsAre(row.violation));
  }
}

}  // namespace sluice

#endif  // SLUICE_TESTS_PROTO_VALIDATE_TEXT_H_
