// Secrets and authorities that change while the policies stay.
#include "server/config/local_file_watch.h"

#include <filesystem>
#include <string>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "server/config/local_files.h"
#include "server/config/local_renewal.h"
#include "tests/config/compile_fixture.h"
#include "tests/tls/certificates.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LocalFileWatchTest : public CompileFixture {
 protected:
  static void SetUpTestSuite() {
    made_ = new TestFolder;
    for (const char* name : {"ca", "ca2"}) made_->MakeCertificate(name);
  }
  static void TearDownTestSuite() { delete made_; }

  void SetUp() override {
    here_.Write("one", "sk-one\n");
    here_.Write("two", "sk-two\n");
    here_.Write("ca.pem", made_->Read("ca.pem"));
    table_ = Table(Policies(), compiler_);
    ASSERT_NE(table_, nullptr);
    watch_.Follow(*table_, kCompileTime);
    // New ones are read once more, lest a change while they were compiled be lost.
    EXPECT_TRUE(Walk().unsettled);
    ExpectNothing(Walk());
  }
  std::string Policies() const {
    return "{kind: Upstream, name: up, format: OPENAI, credentials: [\"file:" + here_.path("one") + "\", \"file:" +
           here_.path("two") + "\"], tls: {ca_file: \"" + here_.path("ca.pem") +
           "\"}, endpoints: [{url: \"https://a\"}]}\n---\n"
           "{kind: Route, name: chat, match: {model: \"*\"}, targets: [{upstream: up}]}";
  }
  LocalFileWatch::News Walk() {
    watch_.BeginWalk();
    LocalFileWatch::News news = watch_.Look(100);
    EXPECT_TRUE(watch_.walked());
    return news;
  }
  void ExpectNothing(const LocalFileWatch::News& news) {
    EXPECT_FALSE(news.renewed());
    EXPECT_FALSE(news.unsettled);
    EXPECT_THAT(news.problems, IsEmpty());
  }
  // As the configuration does.
  void Renew() {
    const std::vector<v1::Resource> resources = Parse(Policies());
    std::vector<const v1::Resource*> all;
    for (const v1::Resource& resource : resources) all.push_back(&resource);
    const auto compiled = compiler_.Compile("epoch", 7, all, kCompileTime, table_.get());
    ASSERT_NE(compiled.table, nullptr);
    table_ = compiled.table;
    watch_.Follow(*table_, kCompileTime);
  }
  std::string Name(const std::string& file) const { return "file:" + here_.path(file); }
  std::string SecretInForce(size_t index) const { return table_->upstreams()[0]->credentials[index].secret; }

  static TestFolder* made_;
  TestFolder here_;
  PolicyCompiler compiler_{ConfigAllowLists{{"file:/tmp/*/*"}, {"*"}}};
  LocalFileWatch watch_{compiler_.resolver()};
  std::shared_ptr<const RouteTable> table_;
};

TestFolder* LocalFileWatchTest::made_ = nullptr;

TEST_F(LocalFileWatchTest, ASecretThatChangedIsNewOnceItStandsStill) {
  ExpectNothing(Walk());
  here_.Write("one", "sk-new\n");
  EXPECT_TRUE(Walk().unsettled);
  EXPECT_THAT(watch_.LookAgain().secrets, ElementsAre(Name("one")));
  // Until it is in force it is found again.
  EXPECT_TRUE(Walk().unsettled);
  EXPECT_THAT(Walk().secrets, ElementsAre(Name("one")));
  Renew();
  EXPECT_EQ(SecretInForce(0), "sk-new");
  EXPECT_EQ(SecretInForce(1), "sk-two");
  Walk();
  ExpectNothing(Walk());
}

TEST_F(LocalFileWatchTest, OneWrittenAnewWithWhatItHeldIsNoNews) {
  here_.Write("one", "  sk-one");
  EXPECT_TRUE(Walk().unsettled);
  ExpectNothing(Walk());
}

TEST_F(LocalFileWatchTest, ABrokenOneIsToldOnceAndHoldsUpNoOther) {
  here_.Write("one", "");
  here_.Write("two", "sk-new");
  EXPECT_TRUE(Walk().unsettled);
  const auto news = Walk();
  EXPECT_THAT(news.secrets, ElementsAre(Name("two")));
  EXPECT_THAT(news.problems, ElementsAre("file " + here_.path("one") +
                                         " is empty here; the secret that was read before is kept"));
  Renew();
  EXPECT_EQ(SecretInForce(0), "sk-one");
  EXPECT_EQ(SecretInForce(1), "sk-new");
  Walk();
  ExpectNothing(Walk());
  EXPECT_EQ(watch_.figures()[0].what, "credentials");
  EXPECT_EQ(watch_.figures()[0].failures, 1u);
  // Who asks is told again.
  EXPECT_EQ(watch_.LookCloselyAtAll().problems.size(), 1u);
  std::filesystem::remove(here_.path("one"));
  EXPECT_TRUE(Walk().unsettled);
  EXPECT_THAT(Walk().problems, ElementsAre(HasSubstr("cannot be read here: No such file or directory")));
}

TEST_F(LocalFileWatchTest, ARefusedOneIsReadAtOnceWhateverItsStampSays) {
  ExpectNothing(watch_.LookClosely(Name("one")));
  here_.Write("one", "sk-new\n");
  EXPECT_THAT(watch_.LookClosely(Name("one")).secrets, ElementsAre(Name("one")));
  ExpectNothing(watch_.LookClosely("env:OTHER"));
}

TEST_F(LocalFileWatchTest, OtherAuthoritiesAreTakenAndBrokenOnesAreNot) {
  const auto trusted = [&] { return table_->upstreams()[0]->endpoints[0].http->authorities->digest(); };
  const std::string before = trusted();
  here_.Write("ca.pem", "no certificate");
  EXPECT_TRUE(Walk().unsettled);
  EXPECT_THAT(Walk().problems,
              ElementsAre(HasSubstr("tls.ca_file " + here_.path("ca.pem") + ": holds no certificate")));
  Renew();
  EXPECT_EQ(trusted(), before);
  here_.Write("ca.pem", made_->Read("ca2.pem"));
  EXPECT_TRUE(Walk().unsettled);
  EXPECT_TRUE(Walk().authorities);
  Renew();
  EXPECT_NE(trusted(), before);
}

TEST_F(LocalFileWatchTest, ANewSecretDoesNotRestForTheOldAndEveryOtherGoesOnResting) {
  const std::shared_ptr<const RouteTable> old = table_;
  const auto cooldown = [](const RouteTable& table, size_t i) {
    return table.upstreams()[0]->endpoints[0].cooldowns[i];
  };
  const TimePoint until = kCompileTime + absl::Minutes(1);
  cooldown(*old, 0)->RestUntil(until);
  cooldown(*old, 1)->RestUntil(until);
  here_.Write("one", "sk-new\n");
  Renew();
  EXPECT_EQ(cooldown(*table_, 1)->until(), until);
  // A call that ran with the old one is refused only now.
  cooldown(*old, 0)->RestUntil(until + absl::Minutes(1));
  EXPECT_EQ(cooldown(*table_, 0)->until(), absl::InfinitePast());
}

TEST_F(LocalFileWatchTest, AWalkGoesInSteps) {
  here_.Write("one", "sk-new\n");
  here_.Write("two", "sk-new\n");
  watch_.LookClosely(Name("one"));
  watch_.BeginWalk();
  int steps = 0;
  for (; !watch_.walked(); ++steps) watch_.Look(1);
  EXPECT_EQ(steps, 3);
}

TEST_F(LocalFileWatchTest, WhatWasRefusedForWantOfAFileIsAwaited) {
  const std::string yaml = "{kind: Upstream, name: u, format: OPENAI, credential: \"file:" + here_.path("late") +
                           "\", endpoints: [{url: \"http://a\"}]}";
  const std::vector<v1::Resource> resources = Parse(yaml);
  watch_.Await(LocalFileWatch::StampsOf({&resources[0]}));
  EXPECT_FALSE(Walk().awaited);
  here_.Write("late", "sk-late");
  EXPECT_TRUE(Walk().awaited);
  EXPECT_FALSE(Walk().awaited);
}

TEST_F(LocalFileWatchTest, ANewRevisionIsHeldToItsFiles) {
  std::filesystem::remove(here_.path("one"));
  here_.Write("ca.pem", "no certificate");
  EXPECT_THAT(Refusals(Policies(), {{"file:/tmp/*/*"}, {"*"}}),
              ElementsAre(HasSubstr("CREDENTIAL upstream/up: credentials[0]: "),
                          HasSubstr("BAD_FILE upstream/up: tls.ca_file: \"" + here_.path("ca.pem") +
                                    "\" on this data plane holds no certificate")));
}

// A loop tells each refused attempt, and the secret is looked at once for all.
TEST_F(LocalFileWatchTest, ManyRefusalsMakeOneLook) {
  ConfigWorker worker;
  int renewals = 0;
  LocalRenewal renewal(worker, compiler_.resolver(), absl::Hours(1), {[&] { ++renewals; }, [] {}});
  renewal.Follow(*table_);
  here_.Write("one", "sk-new\n");
  for (int i = 0; i < 100; ++i) {
    renewal.CredentialRefused(Name("one"));
    renewal.CredentialRefused(Name("two"));
    renewal.CredentialRefused("env:TEST_API_KEY");
  }
  worker.Start();
  absl::Notification looked;
  worker.Post([&] { looked.Notify(); });
  looked.WaitForNotification();
  EXPECT_EQ(renewals, 1);
  worker.Stop();
}

}  // namespace
}  // namespace sluice
