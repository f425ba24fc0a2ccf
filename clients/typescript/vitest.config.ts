import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/*.test.ts"] } },
      {
        test: {
          name: "stack",
          include: ["test/stack/*.test.ts"],
          globalSetup: "test/stack/setup.ts",
          testTimeout: 60_000, // functions start cold, on whatever machine this is
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
