import { api } from './client.js';
import { ApiProblem } from './problem.js';

const PATH = '/v1/tenants/{tenant}/subjects:search';

/** The number is sent in the body, and is in no address. @returns the id of the subject; undefined without one */
export async function subjectWithNumber(tenant: string, phone: string): Promise<string | undefined> {
  const { data } = await api.POST(PATH, { params: { path: { tenant } }, body: { phone } });
  return data?.items[0]?.subject;
}

/** As {@link subjectWithNumber}. @returns undefined, too, for a text that can be no id */
export async function subjectWithId(tenant: string, subject: string): Promise<string | undefined> {
  try {
    const { data } = await api.POST(PATH, { params: { path: { tenant } }, body: { subject } });
    return data?.items[0]?.subject;
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 422) return undefined;
    throw error;
  }
}
