import { RateLimit1764000000002 } from './1764000000002-rate-limit.js';
import { RateLimitDeliveries1764000100002 } from './1764000100002-deliveries.js';
import { Limits1764000600001 } from './1764000600001-limits.js';
import { RateLimitTenantRows1764000700002 } from './1764000700002-tenant-rows.js';
import { RateLimitKeyChecks1764001000002 } from './1764001000002-key-checks.js';

/** All of them, in the order in which they run. */
export const RATE_LIMIT_MIGRATIONS = [
  RateLimit1764000000002,
  RateLimitDeliveries1764000100002,
  Limits1764000600001,
  RateLimitTenantRows1764000700002,
  RateLimitKeyChecks1764001000002,
];
