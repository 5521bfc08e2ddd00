// Samples of senders that tell nothing about money: what they send is stored, and kept.

import { nowSeconds, randomId, type Samples } from "./sample.ts";

export const github: Samples = {
  push: () => ({
    ref: "refs/heads/main",
    before: "0".repeat(40),
    after: randomId("").padEnd(40, "0"),
    commits: [],
    repository: { id: 1, full_name: "acme/courses" },
  }),
  ping: () => ({ zen: "Practicality beats purity.", hook_id: 1, hook: { type: "Repository" } }),
};

export const slack: Samples = {
  message: () => ({
    type: "event_callback",
    team_id: "T0000001",
    event_id: randomId("Ev"),
    event_time: nowSeconds(),
    event: { type: "message", channel: "C0000001", user: "U0000001", text: "hello" },
  }),
};

export const twilio: Samples = {
  delivered: () =>
    new URLSearchParams({
      MessageSid: `SM${randomId("").padEnd(32, "0")}`,
      MessageStatus: "delivered",
      To: "+15005550006",
      From: "+15005550001",
    }).toString(),
};
