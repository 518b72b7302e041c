import { type components } from '../../api/openapi.js';
import { SubjectLink } from '../../components/subject-link.js';
import { texts } from '../../texts/texts.js';

type AttackSignal = components['schemas']['AttackSignal'];
type NamedParties = Pick<AttackSignal, 'subject' | 'subjectKey' | 'callerKey' | 'callerTail' | 'agent' | 'callId'>;

/** Digits of a keyed hash that are shown: enough to tell callers apart. */
const SHOWN_DIGITS = 12;

/** Who is meant, as far as events name them. A caller has a keyed hash and the last two digits, never a number. */
export function namesOf({ subject, subjectKey, callerKey, callerTail, agent, callId }: NamedParties): string[] {
  const { attacks } = texts;
  const short = (hash: string): string => `${hash.slice(0, SHOWN_DIGITS)}…`;
  return [
    ...(subject !== undefined ? [`${attacks.subject} ${subject}`] : []),
    ...(subject === undefined && subjectKey !== undefined ? [`${attacks.subject} ${short(subjectKey)}`] : []),
    ...(callerTail !== undefined ? [attacks.callerEnding(callerTail)] : []),
    ...(callerKey !== undefined ? [`${attacks.caller} ${short(callerKey)}`] : []),
    ...(agent !== undefined ? [`${attacks.agent} ${agent}`] : []),
    ...(callId !== undefined ? [`${attacks.call} ${callId}`] : []),
  ];
}

/** The parties with a link to the subject, for an operator who may read subjects. */
export function Parties({ of: parties }: { readonly of: NamedParties & { readonly tenant: string } }) {
  const { tenant, subject } = parties;
  const names = namesOf(parties);
  if (names.length === 0) return texts.attacks.everybody;
  return names.map((name, index) => (
    <div key={name}>
      {index === 0 && subject !== undefined ? (
        <SubjectLink tenant={tenant} subject={subject}>
          {name}
        </SubjectLink>
      ) : (
        name
      )}
    </div>
  ));
}
