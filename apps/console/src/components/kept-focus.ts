import { useEffect } from 'react';

/**
 * Moves the focus when the element that has it is removed, such as the button of a row that was deleted. Otherwise a browser moves
 * it to the whole document, and who uses a keyboard or a screen reader begins at the top of the page again.
 */
export function useKeptFocus(): void {
  useEffect(() => {
    let focused: Element | undefined;
    let next: readonly Element[] = [];
    const onFocus = ({ target }: FocusEvent): void => {
      // A dialog returns the focus to the element that opened it, if that remains.
      if (!(target instanceof Element) || target.closest('[role=dialog]') !== null) return;
      focused = target;
      next = neighboursOf(target);
    };
    const observer = new MutationObserver(() => {
      if (focused === undefined || focused.isConnected || document.activeElement !== document.body) return;
      focused = undefined;
      focus(next.find((element) => element.isConnected && !element.matches(':disabled')));
    });
    const onBlur = ({ target, relatedTarget }: FocusEvent): void => {
      if (relatedTarget !== null) return;
      // After the removal that may have caused it. A click beside all controls leaves the element without a removal.
      queueMicrotask(() => {
        if (focused === target && focused?.isConnected && document.activeElement === document.body) focused = undefined;
      });
    };
    document.addEventListener('focusin', onFocus);
    document.addEventListener('focusout', onBlur);
    observer.observe(document.body, { childList: true, subtree: true });
    return () => {
      document.removeEventListener('focusin', onFocus);
      document.removeEventListener('focusout', onBlur);
      observer.disconnect();
    };
  }, []);
}

/** What can get the focus in place of an element, the nearest first: actions of the next rows and of those before, and the headings. */
function neighboursOf(element: Element): readonly Element[] {
  const row = element.closest('tr');
  const rows = [...(row?.parentElement?.children ?? [])];
  const index = row === null ? 0 : rows.indexOf(row);
  const buttons = [...rows.slice(index + 1), ...rows.slice(0, index).reverse()]
    .map((other) => other.querySelector('td:last-child button'))
    .filter((button) => button !== null);
  const headings = [element.closest('section')?.querySelector('h2, h3'), document.querySelector('main h1')];
  return [...buttons, ...headings.filter((heading) => heading instanceof Element)];
}

function focus(element: Element | undefined): void {
  if (!(element instanceof HTMLElement)) return;
  // A heading gets the focus only by a script.
  if (!element.hasAttribute('tabindex') && !(element instanceof HTMLButtonElement)) element.tabIndex = -1;
  element.focus();
}
