#include "infer/fair_share.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(FairShare, WhoWaitedForNothingBringsNoCredit) {
  FairShare shares;
  auto& busy = shares.arrives("busy");
  busy.served += 1000;
  EXPECT_EQ(shares.arrives("new").served, 1000) << "the least of those who wait";
  auto& idle = shares.arrives("idle");
  shares.leaves(idle);
  busy.served += 500;
  shares.arrives("new").served += 900;
  EXPECT_EQ(shares.arrives("idle").served, 1500);
}

TEST(FairShare, WhoTookMuchIsNotForgiven) {
  FairShare shares;
  auto& greedy = shares.arrives("greedy");
  shares.leaves(greedy);
  greedy.served += 1000;
  shares.arrives("modest");
  EXPECT_EQ(shares.arrives("greedy").served, 1000);
}

TEST(FairShare, WhereNobodyWaitsTheLastWhoDidIsTheMeasure) {
  FairShare shares;
  auto& first = shares.arrives("first");
  shares.leaves(first);
  first.served += 700;
  EXPECT_EQ(shares.arrives("second").served, 700);
  shares.clear();
  EXPECT_EQ(shares.arrives("second").served, 0);
}

}  // namespace
}  // namespace r1
