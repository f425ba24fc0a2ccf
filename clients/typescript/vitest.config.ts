import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    testTimeout: 120_000, // functions start cold, and the machine may be busy
    projects: [
      { extends: true, test: { name: "unit", include: ["test/unit/*.test.ts"] } },
      {
        extends: true,
        test: {
          name: "stack",
          include: ["test/stack/*.test.ts"],
          globalSetup: "test/stack/setup.ts",
        },
      },
    ],
  },
});
