export * from "./api.js";
export * from "./audio.js";
export * from "./feed.js";
export * from "./problems.js";
