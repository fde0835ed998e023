#include "server/engine/route_table.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

std::shared_ptr<const RouteConfig> Route(std::string name, std::string model, std::string tenant = "",
                                         std::map<std::string, std::string> metadata = {}) {
  auto route = std::make_shared<RouteConfig>();
  route->name = std::move(name);
  route->model = std::move(model);
  route->tenant = std::move(tenant);
  route->metadata = std::move(metadata);
  return route;
}

std::string Matched(const RouteTable& table, std::string_view model, std::string_view tenant = "",
                    std::map<std::string, std::string> metadata = {}) {
  const auto route = table.Match(model, tenant, [&](std::string_view key) -> std::string_view {
    const auto found = metadata.find(std::string(key));
    return found == metadata.end() ? std::string_view() : found->second;
  });
  return route ? route->name : "";
}

const RouteTable& Table() {
  static const RouteTable table("e", 7,
                                {Route("any", "*"), Route("chat", "chat"), Route("acme", "*", "acme"),
                                 Route("acme-chat", "chat", "acme"), Route("beta-any", "*", "", {{"ring", "beta"}}),
                                 Route("beta-two", "chat", "", {{"ring", "beta"}, {"lang", "en"}}),
                                 Route("b-twin", "twin"), Route("a-twin", "twin")});
  return table;
}

TEST(RouteTableTest, AnExactModelGoesBeforeEveryModel) {
  EXPECT_EQ(Matched(Table(), "chat"), "chat");
  EXPECT_EQ(Matched(Table(), "other"), "any");
}

TEST(RouteTableTest, ATenantGoesBeforeAnExactModel) {
  EXPECT_EQ(Matched(Table(), "other", "acme"), "acme");
  EXPECT_EQ(Matched(Table(), "chat", "acme"), "acme-chat");
  EXPECT_EQ(Matched(Table(), "chat", "rival"), "chat");
}

TEST(RouteTableTest, MoreMetadataConditionsGoFirst) {
  EXPECT_EQ(Matched(Table(), "chat", "acme", {{"ring", "beta"}}), "beta-any");
  EXPECT_EQ(Matched(Table(), "chat", "acme", {{"ring", "beta"}, {"lang", "en"}}), "beta-two");
  EXPECT_EQ(Matched(Table(), "chat", "", {{"ring", "stable"}}), "chat");
}

TEST(RouteTableTest, EqualRoutesGoByName) { EXPECT_EQ(Matched(Table(), "twin"), "a-twin"); }

TEST(RouteTableTest, TheOrderOfTheListIsThatOfMatching) {
  std::vector<std::string> names;
  for (const auto& route : Table().routes()) names.push_back(route->name);
  EXPECT_EQ(names, (std::vector<std::string>{"beta-two", "beta-any", "acme-chat", "acme", "a-twin", "b-twin", "chat", "any"}));
}

TEST(RouteTableTest, NoRouteIsNull) {
  const RouteTable table("e", 1, {Route("chat", "chat", "acme")});
  EXPECT_EQ(Matched(table, "chat"), "");
  EXPECT_EQ(Matched(table, "nothing", "acme"), "");
}

TEST(RouteTableTest, FindsByName) {
  EXPECT_EQ(Table().Find("acme")->tenant, "acme");
  EXPECT_EQ(Table().Find("nowhere"), nullptr);
}

}  // namespace
}  // namespace sluice
