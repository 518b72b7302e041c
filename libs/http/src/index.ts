export * from './follow-requests.js';
export * from './health.controller.js';
export * from './http-server.js';
export * from './route-access.js';
export { allowLongBody } from './long-bodies.js';
