import { metricValue } from '@countersign/testing';

type Growth = () => Promise<number[]>;

/** By how much each series of a metric has grown since the call, in the order of the values of its label. */
export async function growthOf(name: string, label: string, values: readonly string[]): Promise<Growth> {
  const read = (): Promise<number[]> => Promise.all(values.map((value) => metricValue(name, { [label]: value })));
  const before = await read();
  return async () => (await read()).map((value, at) => value - (before[at] ?? 0));
}

export const signIns = (...results: string[]): Promise<Growth> =>
  growthOf('countersign_operator_sign_ins_total', 'result', results);
export const refusals = (...reasons: string[]): Promise<Growth> =>
  growthOf('countersign_operator_requests_refused_total', 'reason', reasons);
export const sessionEnds = (...reasons: string[]): Promise<Growth> =>
  growthOf('countersign_operator_sessions_ended_total', 'reason', reasons);
export const logoutTokens = (...results: string[]): Promise<Growth> =>
  growthOf('countersign_logout_tokens_total', 'result', results);
export const consoleRequests = (...groups: string[]): Promise<Growth> =>
  growthOf('countersign_console_request_seconds_count', 'group', groups);
export const openSessions = (): Promise<number> => metricValue('countersign_operator_sessions');

/** Requests of a kind that the OpenID provider has answered. */
export const answeredRequests = (request: string): Promise<number> =>
  metricValue('countersign_openid_request_seconds_count', { request, outcome: 'answered' });
