// What a call's metadata makes of it.
#include "server/service/call_admission.h"

#include <grpcpp/test/server_context_test_spouse.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace sluice {
namespace {

class CallAdmissionTest : public testing::Test {
 protected:
  CallAdmissionTest() : spouse_(&context_) {}

  std::optional<uint64_t> Affinity(const std::string& key, uint32_t prefix, const std::string& prompt) {
    RouteConfig route;
    route.affinity = AffinityConfig{key, prefix};
    v1::ChatRequest request;
    auto* message = request.add_messages();
    message->set_role(v1::ROLE_USER);
    message->set_text(prompt);
    return AffinityOf(route, *NewChatCallRequest(request), CallerMetadata(context_));
  }

  grpc::ServerContext context_;
  grpc::testing::ServerContextTestSpouse spouse_;
};

TEST_F(CallAdmissionTest, AffinityIsByTheMetadataKeyOrByThePromptsBeginning) {
  spouse_.AddClientMetadata("session", "s1");
  EXPECT_EQ(Affinity("session", 0, "a"), Affinity("session", 0, "b"));
  EXPECT_FALSE(Affinity("absent", 0, "a"));
  EXPECT_EQ(Affinity("", 6, "system one"), Affinity("", 6, "systemtwo"));
  EXPECT_NE(Affinity("", 20, "system one"), Affinity("", 20, "system two"));
  EXPECT_FALSE(AffinityOf(RouteConfig(), *NewChatCallRequest(v1::ChatRequest::default_instance()),
                          CallerMetadata(context_)));
}

// Data planes share nothing: equal calls meet only if all reckon alike, always.
TEST_F(CallAdmissionTest, AffinityIsTheSameOnEveryDataPlaneAndAfterEveryStart) {
  spouse_.AddClientMetadata("session", "s1");
  EXPECT_EQ(Affinity("session", 0, ""), 0x4c594168be82e9feu);
}

TEST_F(CallAdmissionTest, TheTenantAndTheTraceAreTakenOver) {
  spouse_.AddClientMetadata("sluice-tenant", "acme");
  spouse_.AddClientMetadata("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  Random random(1);
  CallParams params;
  Welcome({"embeddings", false}, CallerMetadata(context_), random, &params);
  EXPECT_EQ(params.info.tenant, "acme");
  EXPECT_EQ(params.info.operation, "embeddings");
  EXPECT_EQ(params.info.trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(params.info.call_id.size(), 32u);
}

TEST_F(CallAdmissionTest, AnIdempotencyKeyIsVisibleAsciiWithinItsBound) {
  EXPECT_FALSE(CheckIdempotencyKey("order-42/A~"));
  EXPECT_FALSE(CheckIdempotencyKey(std::string(255, 'k')));
  for (const std::string& key : {std::string(), std::string(256, 'k'), std::string("a b"), std::string("\xc3\xa9"),
                                 std::string("a\tb")}) {
    auto fault = CheckIdempotencyKey(key);
    ASSERT_TRUE(fault) << key;
    EXPECT_EQ(fault->grpc_code, 3);
    EXPECT_EQ(fault->reason, "INVALID_IDEMPOTENCY_KEY");
    EXPECT_EQ(fault->message.find("idempotency-key: "), 0u);
    EXPECT_NE(fault->message.find("1 to 255 visible ASCII"), std::string::npos);
  }
}

TEST_F(CallAdmissionTest, ADeadlineThatMayBeOverIsOver) {
  const TimePoint now = absl::UnixEpoch() + absl::Seconds(100);
  const auto in = [&](int64_t microseconds) {
    const gpr_timespec left = gpr_time_from_micros(microseconds, GPR_TIMESPAN);
    return DeadlineOf(gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), left), now);
  };
  EXPECT_LE(in(-5000), now - absl::Milliseconds(5));
  // As gRPC passes on what its caller gave 1 ns.
  EXPECT_LE(in(1000), now);
  EXPECT_GT(in(60'000'000), now + absl::Seconds(59));
  EXPECT_LE(in(60'000'000), now + absl::Seconds(60));
  EXPECT_EQ(DeadlineOf(gpr_inf_future(GPR_CLOCK_REALTIME), now), absl::InfiniteFuture());
}

TEST_F(CallAdmissionTest, KeysOfDifferentTenantsOrMethodsNeverMeet) {
  EXPECT_NE(ScopedKey("a", "Chat", "k"), ScopedKey("b", "Chat", "k"));
  EXPECT_NE(ScopedKey("a", "Chat", "k"), ScopedKey("a", "Embed", "k"));
  EXPECT_NE(ScopedKey("aChat/", "Chat", "k"), ScopedKey("a", "Chat", "Chat/k"));
}

}  // namespace
}  // namespace sluice
