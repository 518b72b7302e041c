/** A jest reporter that prints `N passed, N failed` as the very last line, after all that jest prints when it ends. */
import { writeSync } from 'node:fs';

export default class ReportCounts {
  #results = { numPassedTests: 0, numFailedTests: 0, numFailedTestSuites: 0, numPendingTests: 0 };

  constructor() {
    // Jest has closed `process.stdout` to further writes by then.
    process.once('exit', (code) => writeSync(process.stdout.fd, `${this.#line(code)}\n`));
  }

  onRunComplete(_, results) {
    this.#results = results;
  }

  #line(code) {
    const { numPassedTests, numFailedTests, numFailedTestSuites, numPendingTests } = this.#results;
    // A file that could not be loaded is a failure without a test.
    const failed = Math.max(numFailedTests, numFailedTestSuites, code === 0 ? 0 : 1);
    return `${numPassedTests} passed, ${failed} failed${numPendingTests > 0 ? `, ${numPendingTests} skipped` : ''}`;
  }
}
