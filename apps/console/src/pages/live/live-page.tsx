import { Badge, Button, Group, NativeSelect, Text, TextInput } from '@mantine/core';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { followEvents } from '../../api/event-stream.js';
import { eventView, type EventView } from '../../api/event-view.js';
import { EventTable } from '../../components/event-table.js';
import { Page } from '../../components/page.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { ForTenants } from '../../components/tenant.js';
import { texts } from '../../texts/texts.js';

/** The page keeps the newest events, so an attack cannot fill the memory of the browser. */
const MOST_EVENTS = 200;
const ALL = '';
const OUTCOMES = [
  ...(['VERIFIED', 'PIN_MISMATCH', 'ANSWERS_MISMATCH', 'LOCKED', 'DISABLED', 'RATE_LIMITED', 'UNAVAILABLE'] as const),
].map((value) => ({ value, label: texts.words.outcomes[value] }));

export default function LivePage(): ReactNode {
  return (
    <ForTenants title={texts.pages.live} permission="audit">
      {(tenant) => <Live tenant={tenant} />}
    </ForTenants>
  );
}

function Live({ tenant }: { readonly tenant: string | undefined }) {
  const [isPaused, setPaused] = useState(false);
  const [agent, setAgent] = useState('');
  const [outcome, setOutcome] = useState(ALL);
  const { events, missed, isOpen, error, clear } = useLiveEvents(tenant, isPaused);
  const shown = events.filter(
    (event) => (agent === '' || event.agent === agent) && (outcome === ALL || event.outcome === outcome),
  );
  return (
    <Page
      title={texts.pages.live}
      actions={
        <Group>
          <Button variant="default" onClick={clear}>
            {texts.live.clear}
          </Button>
          <Button aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
            {isPaused ? texts.live.resume(missed) : texts.live.pause}
          </Button>
        </Group>
      }
    >
      <Text c="dimmed" mb="sm">
        {texts.live.about(MOST_EVENTS)}{' '}
        <Badge component="span" variant="light" color={isOpen ? 'green' : 'yellow'}>
          {isOpen ? texts.live.connected : texts.live.connecting}
        </Badge>
      </Text>
      <Group mb="md" align="end">
        <TextInput
          label={texts.events.columns.agent}
          value={agent}
          onChange={(event) => setAgent(event.currentTarget.value.trim())}
        />
        <NativeSelect
          label={texts.events.columns.outcome}
          value={outcome}
          onChange={(event) => setOutcome(event.currentTarget.value)}
          data={[{ value: ALL, label: texts.live.allOutcomes }, ...OUTCOMES]}
        />
      </Group>
      <ProblemAlert error={error} />
      <EventTable label={texts.live.table} events={shown} empty={texts.live.empty} />
    </Page>
  );
}

/** The newest events first. While paused, events are collected and not shown. */
function useLiveEvents(tenant: string | undefined, isPaused: boolean) {
  const [collected, setCollected] = useState<readonly EventView[]>([]);
  const [shown, setShown] = useState<readonly EventView[]>([]);
  /** Null: connected. Undefined: not yet. Otherwise why not. */
  const [error, setError] = useState<unknown>();
  const waiting = useRef<EventView[]>([]);
  useEffect(() => {
    // Events of one frame are shown together: an attack has thousands a second.
    const timer = setInterval(() => {
      if (waiting.current.length === 0) return;
      const arrived = waiting.current.splice(0).reverse();
      setCollected((before) => [...arrived, ...before].slice(0, MOST_EVENTS));
    }, 250);
    const end = followEvents(tenant, {
      onEvent: (item) => {
        waiting.current.push(eventView(item));
        if (waiting.current.length > MOST_EVENTS) waiting.current.shift();
      },
      onState: setError,
    });
    return () => {
      end();
      clearInterval(timer);
      waiting.current = [];
      setCollected([]);
      setShown([]);
      setError(undefined);
    };
  }, [tenant]);
  // What was shown when the operator paused stays.
  if (!isPaused && shown !== collected) setShown(collected);
  const newest = shown[0]?.index ?? -1;
  const missed = collected.filter(({ index }) => index > newest).length;
  const clear = (): void => {
    setCollected([]);
    setShown([]);
  };
  return { events: shown, missed, isOpen: error === null, error, clear };
}
