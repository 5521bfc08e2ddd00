// Unit and integration tests stand beside their source. End-to-end tests start the whole house, so
// they run after the others, one file at a time.

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "house",
          pool: "forks",
          globalSetup: ["dev/test-servers.ts"],
          include: ["**/*.test.ts"],
          exclude: ["node_modules/**", "e2e/**", ".cache/**", ".bursar/**"],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "e2e",
          pool: "forks",
          include: ["e2e/**/*.e2e.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
