/** Jest's runner with a single worker: for files that load the machine, or that measure how it behaves under load. */
import Runner from 'jest-runner';

export default class OneAtATime extends Runner {
  constructor(globalConfig, context) {
    super({ ...globalConfig, maxWorkers: 1 }, context);
  }
}
