export * from "./api.js";
export * from "./audio.js";
export * from "./problems.js";
