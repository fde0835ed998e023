// Every example in deploy/policies is valid and compiles.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "proto/policy/findings.h"
#include "proto/policy/yaml_loader.h"
#include "tests/config/compile_fixture.h"

namespace sluice {
namespace {

std::set<std::string> Examples() {
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(SLUICE_TESTDATA "/../../deploy/policies")) {
    if (entry.path().extension() == ".yaml") files.insert(entry.path());
  }
  return files;
}

// Of a file or a folder; the number of routes that it makes.
size_t ExpectRuns(const std::string& path) {
  SCOPED_TRACE(path);
  for (const char* name : {"OPENAI_API_KEY", "OPENAI_SECOND_API_KEY"}) setenv(name, "sk-example", 1);
  const LoadResult loaded = LoadPolicyPath(path);
  for (const PolicyError& error : loaded.errors) ADD_FAILURE() << error.ToString();
  for (const PolicyError& error : ValidateLoaded(loaded)) ADD_FAILURE() << error.ToString();
  PolicyCompiler compiler{ConfigAllowLists()};
  const CompiledPolicies compiled = compiler.Compile("", 1, SoundResources(loaded), kCompileTime);
  for (const v1::Violation& violation : compiled.violations) ADD_FAILURE() << ViolationText(violation);
  return compiled.table == nullptr ? 0 : compiled.table->routes().size();
}

TEST(PolicyExamplesTest, EachIsValidAndCompiles) {
  size_t routes = 0;
  for (const std::string& file : Examples()) routes += ExpectRuns(file);
  EXPECT_GE(Examples().size(), 6u);
  EXPECT_GE(routes, 8u);
}

TEST(PolicyExamplesTest, TheFolderIsOneSetThatIsValidAndCompiles) {
  size_t routes = 0;
  for (const std::string& file : Examples()) routes += ExpectRuns(file);
  EXPECT_EQ(ExpectRuns(SLUICE_TESTDATA "/../../deploy/policies"), routes);
}

}  // namespace
}  // namespace sluice
