import { type Permission } from '../api/session.js';
import { texts } from '../texts/texts.js';

/** The entries of the navigation, each with the permission that its page needs. */
export const NAVIGATION = [
  { to: '/', title: texts.pages.overview, permission: 'audit' },
  { to: '/live', title: texts.pages.live, permission: 'audit' },
  { to: '/subjects', title: texts.pages.subjects, permission: 'read' },
  { to: '/webhooks', title: texts.pages.webhooks, permission: 'read' },
] as const satisfies readonly { to: string; title: string; permission: Permission }[];
