// The Admin service over real gRPC: changes, refusals, and what they say.
#include <thread>

#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/status/bounded_text.h"
#include "proto/status/rich_status.h"
#include "tests/controlplane/in_process_server.h"

namespace sluice {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

// By the helper of every language: message and details say the same.
void ExpectDecodable(const grpc::Status& status) {
  EXPECT_LE(TrailerBytes(status), kMaxTrailerBytes);
  EXPECT_LE(PercentEncodedBytes(status.error_message()), kMaxStatusMessageBytes);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.message(), status.error_message());
}

class AdminTest : public testing::Test {
 protected:
  grpc::Status Apply(const v1::ApplyRequest& request) {
    grpc::ClientContext context;
    return server_.admin().Apply(&context, request, &applied_);
  }

  grpc::Status Apply(const std::vector<v1::Resource>& resources) {
    v1::ApplyRequest request;
    for (const v1::Resource& resource : resources) *request.add_resources() = resource;
    return Apply(request);
  }

  grpc::Status Delete(const std::vector<std::pair<std::string, std::string>>& names) {
    v1::DeleteRequest request;
    for (const auto& [kind, name] : names) {
      v1::ResourceRef& ref = *request.add_resources();
      ref.set_kind(kind);
      ref.set_name(name);
    }
    grpc::ClientContext context;
    return server_.admin().Delete(&context, request, &deleted_);
  }

  grpc::Status Get(const std::string& kind, const std::string& name, uint64_t revision = 0) {
    v1::GetRequest request;
    request.mutable_resource()->set_kind(kind);
    request.mutable_resource()->set_name(name);
    request.set_revision(revision);
    grpc::ClientContext context;
    return server_.admin().Get(&context, request, &got_);
  }

  v1::SetRequest SetAttempts(const std::string& value) {
    v1::SetRequest request;
    request.mutable_resource()->set_kind("retrypolicy");
    request.mutable_resource()->set_name("default");
    v1::FieldAssignment& assignment = *request.add_assignments();
    assignment.set_path("max_attempts");
    assignment.set_value(value);
    return request;
  }

  grpc::Status Set(const v1::SetRequest& request) {
    grpc::ClientContext context;
    return server_.admin().Set(&context, request, &set_);
  }

  uint64_t Revision() { return (*server_.store().Current())->revision; }

  InProcessServer server_;
  v1::ApplyResponse applied_;
  v1::DeleteResponse deleted_;
  v1::GetResponse got_;
  v1::SetResponse set_;
};

TEST_F(AdminTest, ApplyCreatesUpdatesAndLeavesAlone) {
  ASSERT_TRUE(Apply({MakeUpstream("u"), MakeRoute("chat", "u")}).ok());
  EXPECT_EQ(applied_.revision(), 1);
  ASSERT_EQ(applied_.changes_size(), 2);
  EXPECT_EQ(applied_.changes(0).action(), v1::CHANGE_ACTION_CREATED);
  ASSERT_TRUE(Apply({MakeUpstream("u", "http://127.0.0.1:2/v1"), MakeRoute("chat", "u")}).ok());
  EXPECT_EQ(applied_.revision(), 2);
  EXPECT_EQ(applied_.changes(0).action(), v1::CHANGE_ACTION_UPDATED);
  EXPECT_GT(applied_.changes(0).fields_size(), 0);
  EXPECT_EQ(applied_.changes(1).action(), v1::CHANGE_ACTION_UNCHANGED);
  ASSERT_TRUE(Get("route", "chat").ok());
  EXPECT_EQ(got_.resource().meta().revision(), 1);
  ASSERT_TRUE(Get("Upstreams", "u").ok());
  EXPECT_EQ(got_.resource().meta().revision(), 2);
  ASSERT_TRUE(Get("upstream", "u", 1).ok());
  EXPECT_EQ(got_.resource().upstream().endpoints(0).url(), "http://127.0.0.1:1/v1");
}

TEST_F(AdminTest, UnchangedContentMakesNoRevision) {
  ASSERT_TRUE(Apply({MakeUpstream("u")}).ok());
  ASSERT_TRUE(Apply({MakeUpstream("u")}).ok());
  EXPECT_EQ(applied_.revision(), 1);
  EXPECT_EQ(Revision(), 1);
}

TEST_F(AdminTest, ARefusalNamesCountAndFirstAndCarriesTheRestTyped) {
  v1::Resource route = MakeRoute("chat", "opnai");
  v1::Resource policy = MakeRetryPolicy("p", 99);
  grpc::Status status = Apply({MakeUpstream("openai"), route, policy});
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("2 violations, nothing was changed"));
  EXPECT_EQ(status.error_message().find('\n'), std::string::npos);
  google::rpc::Status details;
  google::rpc::BadRequest bad;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  ASSERT_TRUE(details.details(0).UnpackTo(&bad));
  ASSERT_EQ(bad.field_violations_size(), 2);
  std::string all = bad.DebugString();
  EXPECT_THAT(all, HasSubstr("route/chat: targets[0].upstream"));
  EXPECT_THAT(all, HasSubstr("retrypolicy/p: max_attempts"));
  EXPECT_THAT(all, HasSubstr("openai"));
  EXPECT_EQ(Revision(), 0);
}

TEST_F(AdminTest, AThousandViolationsStillReachTheCaller) {
  v1::ApplyRequest request;
  for (int i = 0; i < 1000; ++i) *request.add_resources() = MakeRoute("r" + std::to_string(i), "missing-upstream");
  grpc::Status status = Apply(request);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("1000 violations"));
  ExpectDecodable(status);
  v1::ValidateRequest validate;
  *validate.mutable_resources() = request.resources();
  v1::ValidateResponse violations;
  grpc::ClientContext context;
  ASSERT_TRUE(server_.admin().Validate(&context, validate, &violations).ok());
  EXPECT_EQ(violations.violations_size(), 1000);
}

TEST_F(AdminTest, RefusalsDecodeWhateverTheNamesThatTheyQuote) {
  for (int count : {1, 50, 113, 114, 200, 2000}) {
    std::string name;
    for (int i = 0; i < count; ++i) name += "語";
    const grpc::Status refused = Apply({MakeUpstream(name), MakeRoute("r", name)});
    EXPECT_EQ(refused.error_code(), StatusCode::INVALID_ARGUMENT);
    ExpectDecodable(refused);
    const grpc::Status unknown = Delete({{"Upstream", name}});
    EXPECT_FALSE(unknown.ok());
    EXPECT_LE(PercentEncodedBytes(unknown.error_message()), kMaxStatusMessageBytes);
  }
}

TEST_F(AdminTest, TheSameResourceTwiceInOneRequestIsRefused) {
  grpc::Status status = Apply({MakeUpstream("u"), MakeUpstream("u", "http://127.0.0.1:2/v1")});
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("twice"));
}

TEST_F(AdminTest, AResourceWithoutKindIsRefused) {
  v1::Resource nothing;
  nothing.mutable_meta()->set_name("x");
  EXPECT_THAT(Apply({nothing}).error_message(), HasSubstr("no kind is set"));
}

TEST_F(AdminTest, ValidateOnlyChecksAndChangesNothing) {
  v1::ApplyRequest request;
  *request.add_resources() = MakeUpstream("u");
  request.set_validate_only(true);
  ASSERT_TRUE(Apply(request).ok());
  EXPECT_EQ(applied_.changes(0).action(), v1::CHANGE_ACTION_CREATED);
  EXPECT_EQ(Revision(), 0);
}

TEST_F(AdminTest, AStaleEtagIsAborted) {
  ASSERT_TRUE(Apply({MakeUpstream("u")}).ok());
  ASSERT_TRUE(Get("upstream", "u").ok());
  v1::Resource mine = got_.resource();
  ASSERT_TRUE(Apply({MakeUpstream("u", "http://127.0.0.1:2/v1")}).ok());
  mine.mutable_upstream()->mutable_endpoints(0)->set_url("http://127.0.0.1:3/v1");
  grpc::Status status = Apply({mine});
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("upstream/u: etag"));
  ASSERT_TRUE(Get("upstream", "u").ok());
  mine.mutable_meta()->set_etag(got_.resource().meta().etag());
  EXPECT_TRUE(Apply({mine}).ok());
}

TEST_F(AdminTest, AnEtagOfWhatWasDeletedCreatesNothing) {
  ASSERT_TRUE(Apply({MakeUpstream("u")}).ok());
  ASSERT_TRUE(Get("upstream", "u").ok());
  v1::Resource mine = got_.resource();
  ASSERT_TRUE(Delete({{"upstream", "u"}}).ok());
  mine.mutable_upstream()->mutable_endpoints(0)->set_url("http://127.0.0.1:3/v1");
  grpc::Status status = Apply({mine});
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("upstream/u deleted"));
  EXPECT_EQ(Get("upstream", "u").error_code(), StatusCode::NOT_FOUND);
  mine.mutable_meta()->clear_etag();
  EXPECT_TRUE(Apply({mine}).ok());
}

TEST_F(AdminTest, ARepeatedRequestIdGivesTheFirstAnswerAndChangesNothing) {
  v1::ApplyRequest request;
  *request.add_resources() = MakeUpstream("u");
  request.set_request_id("once");
  ASSERT_TRUE(Apply(request).ok());
  ASSERT_TRUE(Apply({MakeUpstream("u", "http://127.0.0.1:2/v1")}).ok());
  ASSERT_TRUE(Apply(request).ok());
  EXPECT_EQ(applied_.revision(), 1);
  EXPECT_EQ(applied_.changes(0).action(), v1::CHANGE_ACTION_CREATED);
  EXPECT_EQ(Revision(), 2);
  *request.add_resources() = MakeUpstream("v");
  grpc::Status status = Apply(request);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("\"once\" was used for another request"));
}

TEST_F(AdminTest, DeletingWhatIsReferredToNamesWhoRefers) {
  ASSERT_TRUE(Apply({MakeUpstream("u"), MakeRoute("chat", "u")}).ok());
  grpc::Status status = Delete({{"upstream", "u"}});
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("upstream/u is referred to by route/chat"));
  google::rpc::Status details;
  google::rpc::PreconditionFailure failure;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  ASSERT_TRUE(details.details(0).UnpackTo(&failure));
  EXPECT_EQ(failure.violations(0).subject(), "upstream/u");
  EXPECT_TRUE(Delete({{"upstream", "u"}, {"route", "chat"}}).ok());
  EXPECT_EQ(deleted_.revision(), 2);
  EXPECT_EQ(Get("upstream", "u").error_code(), StatusCode::NOT_FOUND);
}

TEST_F(AdminTest, DeletingWhatIsNotThereIsNotFound) {
  grpc::Status status = Delete({{"route", "nobody"}});
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "route/nobody does not exist");
  EXPECT_EQ(Delete({{"rout", "x"}}).error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(AdminTest, SetChangesOneFieldAndReturnsTheWhole) {
  ASSERT_TRUE(Apply({MakeRetryPolicy("default", 3)}).ok());
  grpc::Status status = Set(SetAttempts("4"));
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(set_.revision(), 2);
  EXPECT_EQ(set_.resource().retry_policy().max_attempts(), 4);
  ASSERT_TRUE(Get("retrypolicy", "default").ok());
  EXPECT_EQ(set_.resource().meta().etag(), got_.resource().meta().etag());
  EXPECT_EQ(set_.resource().meta().revision(), 2);
}

TEST_F(AdminTest, SetRefusesBadValuesStaleEtagsAndUnknownResources) {
  EXPECT_EQ(Set(SetAttempts("4")).error_code(), StatusCode::NOT_FOUND);
  ASSERT_TRUE(Apply({MakeRetryPolicy("default", 3)}).ok());
  EXPECT_EQ(Set(SetAttempts("many")).error_code(), StatusCode::INVALID_ARGUMENT);
  grpc::Status status = Set(SetAttempts("11"));
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("retrypolicy/default: max_attempts"));
  v1::SetRequest stale = SetAttempts("5");
  stale.set_etag("old");
  EXPECT_EQ(Set(stale).error_code(), StatusCode::ABORTED);
  EXPECT_EQ(Revision(), 1);
}

TEST_F(AdminTest, WhatWasWrongBeforeElsewhereDoesNotBlock) {
  // As if an older validator had let it in.
  StoreWrite write;
  write.puts.push_back(MakeRetryPolicy("wild", 99));
  ASSERT_TRUE(server_.store().Commit(std::move(write)).ok());
  EXPECT_TRUE(Apply({MakeUpstream("u")}).ok());
  grpc::Status status = Apply({MakeRetryPolicy("wild", 98)});
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(AdminTest, WhatWasWrongBeforeIsRefusedWhereItIsWrittenAgain) {
  v1::Resource wild = MakeRetryPolicy("wild", 99);
  StoreWrite write;
  write.puts.push_back(wild);
  ASSERT_TRUE(server_.store().Commit(std::move(write)).ok());
  // The same fault in the same words, beside a change that is good.
  wild.mutable_retry_policy()->set_transient(true);
  grpc::Status status = Apply({wild});
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("retrypolicy/wild: max_attempts"));
  EXPECT_EQ(Revision(), 1);
}

TEST_F(AdminTest, ConcurrentWritersAllGetRevisionsOfTheirOwn) {
  std::vector<std::thread> writers;
  std::mutex mutex;
  std::set<uint64_t> revisions;
  for (int w = 0; w < 8; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 10; ++i) {
        v1::ApplyRequest request;
        *request.add_resources() = MakeRetryPolicy("w" + std::to_string(w), 1 + i % 9);
        v1::ApplyResponse response;
        grpc::ClientContext context;
        grpc::Status status = server_.admin().Apply(&context, request, &response);
        EXPECT_TRUE(status.ok()) << status.error_message();
        std::lock_guard lock(mutex);
        revisions.insert(response.revision());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(revisions.size(), 80);
  EXPECT_EQ(Revision(), 80);
}

}  // namespace
}  // namespace sluice
