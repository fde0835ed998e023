#include "server/config/policy_bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>

#include "tests/config/policies.h"

namespace sluice {
namespace {

// More than one piece.
ResourceSet Large(uint64_t revision = 5) {
  std::string yaml;
  for (int i = 0; i < 120; ++i) {
    yaml += "kind: Upstream\nname: u" + std::to_string(i) + "\nformat: OPENAI\nendpoints:\n";
    for (int j = 0; j < 100; ++j) {
      yaml += "- {name: e" + std::to_string(j) + ", url: \"http://a-rather-long-name-of-a-host-in-a-pool-" +
              std::to_string(j) + ".example:8080/v1\"}\n";
    }
    yaml += "---\n";
  }
  return ApplyUpdate({}, MakeUpdate(yaml, revision)).set;
}

std::string Read(PolicyBundler& bundler, const ResourceSet& held, std::string& sha256, int* pieces = nullptr) {
  std::string bytes;
  while (true) {
    const v1::PoliciesInForce piece = bundler.Piece(held, bytes.size());
    EXPECT_LE(piece.data().size(), kMaxPolicyPiece);
    sha256 = piece.sha256();
    bytes += piece.data();
    if (pieces != nullptr) ++*pieces;
    if (bytes.size() >= piece.total_bytes() || piece.data().empty()) return bytes;
  }
}

TEST(PolicyBundleTest, ThePiecesMakeWhatIsHeld) {
  const ResourceSet held = Large();
  PolicyBundler bundler;
  std::string sha256;
  int pieces = 0;
  const std::string bytes = Read(bundler, held, sha256, &pieces);
  EXPECT_GT(pieces, 1);
  std::string expected(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(expected.data()));
  EXPECT_EQ(sha256, expected);
  v1::PolicyBundle bundle;
  ASSERT_TRUE(bundle.ParseFromString(bytes));
  v1::Update update;
  update.set_epoch(held.epoch);
  update.set_revision(held.revision);
  update.set_snapshot(true);
  *update.mutable_upserts() = bundle.resources();
  EXPECT_EQ(ApplyUpdate({}, update).set.Sha256(), held.Sha256());
}

TEST(PolicyBundleTest, TwoNodesThatHoldTheSameTellTheSame) {
  // The order in which a map was filled must not show.
  const char* one = "{kind: Upstream, name: u, format: OPENAI, headers: {a: \"1\", b: \"2\", c: \"3\", d: \"4\"}, "
                    "endpoints: [{url: \"http://a/v1\"}]}";
  const char* other = "{kind: Upstream, name: u, format: OPENAI, headers: {d: \"4\", c: \"3\", b: \"2\", a: \"1\"}, "
                      "endpoints: [{url: \"http://a/v1\"}]}";
  PolicyBundler a, b;
  const v1::PoliciesInForce first = a.Piece(ApplyUpdate({}, MakeUpdate(one, 3)).set, 0);
  const v1::PoliciesInForce second = b.Piece(ApplyUpdate({}, MakeUpdate(other, 3)).set, 0);
  EXPECT_EQ(first.data(), second.data());
  EXPECT_EQ(first.sha256(), second.sha256());
  EXPECT_NE(first.sha256(), a.Piece(ApplyUpdate({}, MakeUpdate(one, 4)).set, 0).sha256());
}

TEST(PolicyBundleTest, BeyondTheEndThereIsOnlyWhatToCompare) {
  const ResourceSet held = Large();
  PolicyBundler bundler;
  const v1::PoliciesInForce whole = bundler.Piece(held, 0);
  const v1::PoliciesInForce beyond = bundler.Piece(held, ~uint64_t{0});
  EXPECT_EQ(beyond.data(), "");
  EXPECT_EQ(beyond.sha256(), whole.sha256());
  EXPECT_EQ(beyond.total_bytes(), whole.total_bytes());
  EXPECT_EQ(beyond.epoch(), "epoch-1");
  EXPECT_EQ(beyond.revision(), 5u);
}

TEST(PolicyBundleTest, WhatIsHeldAnewIsToldAnew) {
  PolicyBundler bundler;
  const v1::PoliciesInForce before = bundler.Piece(Large(5), 0);
  const v1::PoliciesInForce after = bundler.Piece(Large(6), before.data().size());
  EXPECT_EQ(after.revision(), 6u);
  EXPECT_NE(after.sha256(), before.sha256());
}

TEST(PolicyBundleTest, NothingHeldIsNothingTold) {
  PolicyBundler bundler;
  const v1::PoliciesInForce piece = bundler.Piece({}, 0);
  EXPECT_EQ(piece.epoch(), "");
  EXPECT_EQ(piece.revision(), 0u);
  EXPECT_EQ(piece.total_bytes(), 0u);
}

}  // namespace
}  // namespace sluice
