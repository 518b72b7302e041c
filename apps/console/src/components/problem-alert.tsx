import { Alert, Button, List } from '@mantine/core';
import { ApiProblem } from '../api/problem.js';
import { labelOf } from '../texts/label.js';
import { texts } from '../texts/texts.js';

interface ProblemAlertProps {
  /** Nothing is shown for null. */
  readonly error: unknown;
  readonly retry?: () => void;
  readonly title?: string;
}

/** Why a request failed, with the rules that its fields broke. */
export function ProblemAlert({ error, retry, title = texts.problem.title }: ProblemAlertProps) {
  if (error === null || error === undefined) return null;
  const problem = error instanceof ApiProblem ? error : undefined;
  return (
    <Alert color="red" title={title} role="alert" my="sm">
      {textOf(problem)}
      {problem !== undefined && problem.violations.length > 0 && (
        <List size="sm">
          {problem.violations.map(({ field, rule }) => (
            <List.Item key={`${field} ${rule}`}>
              {texts.problem.violation(labelOf(texts.words.fields, field), rule)}
            </List.Item>
          ))}
        </List>
      )}
      {retry && (
        <Button size="xs" variant="default" mt="sm" onClick={retry}>
          {texts.problem.retry}
        </Button>
      )}
    </Alert>
  );
}

function textOf(problem: ApiProblem | undefined): string {
  if (problem === undefined) return texts.problem.unknown;
  if (problem.kind === 'unreachable') return texts.problem.unreachable;
  const reasons: Readonly<Record<string, string>> = texts.words.problems;
  return (Object.hasOwn(reasons, problem.kind) ? reasons[problem.kind] : problem.detail) || texts.problem.unknown;
}
