// When new certificate files are taken, and what is told of those that are not.
#include "proto/tls/tls_file_watch.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tls/certificates.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TlsFileWatchTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    made_ = new TestFolder;
    for (const char* name : {"one", "two", "ca", "ca2"}) made_->MakeCertificate(name);
  }
  static void TearDownTestSuite() { delete made_; }

  void SetUp() override {
    PutSet("one");
    Put("ca.pem", "ca.pem");
    Watch();
  }
  // A file of those made, under the name that is watched.
  void Put(const std::string& made, const std::string& name) { here_.Write(name, made_->Read(made)); }
  void PutSet(const std::string& name) {
    Put(name + ".pem", "tls.crt");
    Put(name + ".key", "tls.key");
  }
  void Watch(const std::string& folder = "") {
    files_ = {{"--tls-cert", here_.path(folder + "tls.crt")},
              {"--tls-key", here_.path(folder + "tls.key")},
              {"--tls-client-ca", here_.path(folder + "ca.pem")}};
    watch_ = std::make_unique<TlsFileWatch>(files_, ReadTlsFiles(files_).value());
  }

  void ExpectNothing(const std::string& when) {
    const auto news = watch_->Look();
    EXPECT_FALSE(news.taken) << when;
    EXPECT_THAT(news.problem, IsEmpty()) << when;
  }
  void ExpectTaken(const std::string& subject) {
    EXPECT_TRUE(watch_->Look().unsettled);
    const auto news = watch_->Look();
    ASSERT_TRUE(news.taken) << news.problem;
    EXPECT_EQ(news.taken->leaf.subject, "CN=" + subject);
  }
  // At the third look, and then no more.
  std::string ToldOnce() {
    EXPECT_TRUE(watch_->Look().unsettled);
    ExpectNothing("it may be half a renewal");
    const auto news = watch_->Look();
    EXPECT_FALSE(news.taken);
    for (int i = 0; i < 3; ++i) ExpectNothing("it was told");
    return news.problem;
  }

  static TestFolder* made_;
  TestFolder here_;
  TlsFiles files_;
  std::unique_ptr<TlsFileWatch> watch_;
};

TestFolder* TlsFileWatchTest::made_ = nullptr;

TEST_F(TlsFileWatchTest, WhatStaysAsItIsIsNoNews) {
  for (int i = 0; i < 3; ++i) {
    ExpectNothing("unchanged");
    EXPECT_FALSE(watch_->Look().unsettled);
  }
  PutSet("one");  // written anew with what it held
  EXPECT_FALSE(watch_->Look().unsettled);
}

TEST_F(TlsFileWatchTest, ANewSetIsTakenOnceItStandsStill) {
  PutSet("two");
  ExpectTaken("two");
  ExpectNothing("taken already");
  PutSet("one");
  EXPECT_TRUE(watch_->Look().unsettled);
  PutSet("two");
  ExpectNothing("back to what is in force");
}

TEST_F(TlsFileWatchTest, AKeyMayComeLongBeforeItsCertificateAndTheOtherWayRound) {
  Put("two.key", "tls.key");
  EXPECT_TRUE(watch_->Look().unsettled);
  ExpectNothing("the certificate is not there yet");
  Put("two.pem", "tls.crt");
  ExpectTaken("two");
  Put("one.pem", "tls.crt");
  EXPECT_TRUE(watch_->Look().unsettled);
  ExpectNothing("the key is not there yet");
  Put("one.key", "tls.key");
  ExpectTaken("one");
}

TEST_F(TlsFileWatchTest, AHalfWrittenFileIsNeverTaken) {
  struct Half {
    const char* made;
    const char* name;
  };
  PutSet("two");
  for (const Half& half : {Half{"two.pem", "tls.crt"}, Half{"two.key", "tls.key"}, Half{"ca2.pem", "ca.pem"}}) {
    const std::string whole = made_->Read(half.made);
    for (size_t size = 0; size + 2 < whole.size(); size += 13) {
      here_.Write(half.name, whole.substr(0, size));
      for (int look = 0; look < 4; ++look) {
        EXPECT_FALSE(watch_->Look().taken) << half.name << " cut at " << size;
      }
    }
    here_.Write(half.name, whole);
  }
  ExpectTaken("two");
}

TEST_F(TlsFileWatchTest, ASecondCertificateOfAChainThatIsCutOffIsSeen) {
  PutSet("two");
  const std::string chain = made_->Read("two.pem") + made_->Read("ca.pem");
  here_.Write("tls.crt", chain.substr(0, chain.size() - 30));
  EXPECT_EQ(ToldOnce(), files_.cert.ToString() + ": has a PEM block that is cut off: its END line is missing");
  here_.Write("tls.crt", chain);
  ExpectTaken("two");
}

TEST_F(TlsFileWatchTest, TheCertificateOfAnotherKeyIsToldOnceAndTheOldKept) {
  Put("two.pem", "tls.crt");
  const std::string told = ToldOnce();
  EXPECT_EQ(told, files_.key.ToString() + ": is not the key of the first certificate of " + files_.cert.ToString());
  // Who asks is told again.
  EXPECT_EQ(watch_->Look(/*at_once=*/true).problem, told);
  Put("two.key", "tls.key");
  ExpectTaken("two");
}

TEST_F(TlsFileWatchTest, WhoAsksIsToldAsSoonAsTheFilesStandStill) {
  Put("two.pem", "tls.crt");
  EXPECT_TRUE(watch_->Look(/*at_once=*/true).unsettled);
  EXPECT_THAT(watch_->Look(/*at_once=*/true).problem, HasSubstr("is not the key"));
  // And not once more by time.
  for (int i = 0; i < 3; ++i) ExpectNothing("it was told");
}

TEST_F(TlsFileWatchTest, EachOtherWrongContentIsTold) {
  here_.Write("ca.pem", "");
  EXPECT_EQ(ToldOnce(), files_.authorities.ToString() + ": is empty");
  here_.Write("ca.pem", "no PEM at all\n");
  EXPECT_THAT(ToldOnce(), HasSubstr(files_.authorities.ToString() + ": holds no certificate"));
  Put("ca2.pem", "ca.pem");
  ExpectTaken("one");
}

TEST_F(TlsFileWatchTest, KubernetesSwapsAFolderBehindALink) {
  const auto put = [&](const std::string& folder, const std::string& set) {
    fs::create_directory(here_.path(folder));
    Put(set + ".pem", folder + "/tls.crt");
    Put(set + ".key", folder + "/tls.key");
    Put("ca.pem", folder + "/ca.pem");
  };
  fs::create_directory(here_.path("mount"));
  put("mount/..1", "one");
  fs::create_directory_symlink("..1", here_.path("mount/..data"));
  for (const char* name : {"tls.crt", "tls.key", "ca.pem"}) {
    fs::create_symlink(std::string("..data/") + name, here_.path(std::string("mount/") + name));
  }
  Watch("mount/");
  put("mount/..2", "two");
  fs::create_directory_symlink("..2", here_.path("mount/..data_tmp"));
  fs::rename(here_.path("mount/..data_tmp"), here_.path("mount/..data"));
  fs::remove_all(here_.path("mount/..1"));
  ExpectTaken("two");
}

TEST_F(TlsFileWatchTest, AFolderThatVanishesLeavesTheOldAndComesBack) {
  fs::create_directory(here_.path("gone"));
  for (const char* name : {"tls.crt", "tls.key", "ca.pem"}) {
    fs::copy_file(here_.path(name), here_.path(std::string("gone/") + name));
  }
  Watch("gone/");
  fs::rename(here_.path("gone"), here_.path("away"));
  EXPECT_EQ(ToldOnce(), files_.cert.ToString() + ": cannot be read: No such file or directory");
  fs::rename(here_.path("away"), here_.path("gone"));
  ExpectNothing("the same is back");
  Put("two.pem", "gone/tls.crt");
  Put("two.key", "gone/tls.key");
  ExpectTaken("two");
}

TEST_F(TlsFileWatchTest, NewAuthoritiesAloneAreANewSet) {
  Put("ca2.pem", "ca.pem");
  EXPECT_TRUE(watch_->Look().unsettled);
  const auto news = watch_->Look();
  ASSERT_TRUE(news.taken);
  EXPECT_EQ(news.taken->texts.authorities, made_->Read("ca2.pem"));
}

class TlsFilesTest : public TlsFileWatchTest {
 protected:
  std::string WrongWith() {
    auto texts = ReadTlsFiles(files_);
    if (!texts.ok()) return std::string(texts.status().message());
    return std::string(CheckTls(files_, *std::move(texts)).status().message());
  }
};

TEST_F(TlsFilesTest, WhatIsWrongNamesFlagAndFile) {
  EXPECT_EQ(WrongWith(), "");
  Put("one.pem", "tls.key");
  EXPECT_THAT(WrongWith(), HasSubstr(files_.key.ToString() + ": holds no private key"));
  here_.Run("openssl ec -in " + made_->path("one.key") + " -aes128 -passout pass:secret -out tls.key");
  EXPECT_EQ(WrongWith(), files_.key.ToString() + ": is encrypted; a key without a passphrase is needed");
  const std::string key = made_->Read("one.key");
  here_.Write("tls.key", key.substr(0, key.size() / 2));
  EXPECT_EQ(WrongWith(), files_.key.ToString() + ": has a private key that is cut off or damaged");
  Put("one.key", "tls.key");
  std::string damaged = made_->Read("one.pem");
  damaged[damaged.size() / 2] = damaged[damaged.size() / 2] == 'A' ? 'B' : 'A';
  here_.Write("tls.crt", damaged);
  EXPECT_THAT(WrongWith(), HasSubstr(files_.cert.flag));
  here_.Write("tls.crt", std::string(2 << 20, 'x'));
  EXPECT_EQ(WrongWith(), files_.cert.ToString() + ": is larger than 1048576 bytes");
  fs::remove(here_.path("tls.crt"));
  fs::create_directory(here_.path("tls.crt"));
  EXPECT_EQ(WrongWith(), files_.cert.ToString() + ": is not a regular file");
}

TEST_F(TlsFilesTest, AKeyTooShortForThisMachineIsFound) {
  here_.Run("openssl req -x509 -newkey rsa:512 -nodes -subj /CN=short -days 2 -keyout tls.key -out tls.crt");
  EXPECT_THAT(WrongWith(), AllOf(HasSubstr(files_.cert.ToString()), HasSubstr("key too small")));
}

TEST_F(TlsFilesTest, OneFileMayHoldBothAndMoreAroundThem) {
  here_.Write("tls.crt",
              "subject=CN = one\n" + made_->Read("one.key") + "\n# the certificate\r\n" + made_->Read("one.pem"));
  fs::remove(here_.path("tls.key"));
  fs::create_symlink(here_.path("tls.crt"), here_.path("tls.key"));
  EXPECT_EQ(WrongWith(), "");
}

TEST_F(TlsFilesTest, DatesAreWarnedOfAndTold) {
  const TlsSet set = CheckTls(files_, ReadTlsFiles(files_).value()).value();
  EXPECT_EQ(DateWarning(files_, set, absl::Now()), "");
  EXPECT_THAT(set.leaf.serial, ::testing::MatchesRegex("[0-9A-F]+"));
  const absl::Duration left = set.leaf.not_after - absl::Now();
  EXPECT_GT(left, absl::Hours(47));
  EXPECT_LT(left, absl::Hours(49));
  EXPECT_THAT(DateWarning(files_, set, absl::Now() + absl::Hours(72)),
              HasSubstr(files_.cert.ToString() + ": is out of date since "));
  EXPECT_THAT(DateWarning(files_, set, absl::Now() - absl::Hours(72)), HasSubstr(": is valid from "));
}

TEST_F(TlsFilesTest, AuthoritiesAreToldApartByWhatTheyAre) {
  const auto one = Authorities::FromPem(made_->Read("ca.pem")).value();
  EXPECT_EQ(one->digest(), Authorities::FromPem(made_->Read("ca.pem")).value()->digest());
  EXPECT_NE(one->digest(), Authorities::FromPem(made_->Read("ca2.pem")).value()->digest());
}

}  // namespace
}  // namespace sluice
