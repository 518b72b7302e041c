import { Modal } from '@mantine/core';
import { type ReactNode } from 'react';
import { texts } from '../texts/texts.js';

/** The level of dialogs is 200. */
const ABOVE = 300;

interface DialogProps {
  readonly title: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  /** Wider than usual. */
  readonly size?: 'lg' | 'xl';
  /** False: neither a click beside the dialog nor Escape closes it. */
  readonly closesOutside?: boolean;
  /** Above other dialogs that are open. */
  readonly isAbove?: boolean;
  readonly children: ReactNode;
}

/**
 * A dialog over the page. Two defaults of the library are changed: its scroll lock inserts a style element, which the policy of
 * the page forbids, and its header would be a second banner of the page for screen readers.
 */
export function Dialog({ title, isOpen, onClose, size, closesOutside = true, isAbove = false, children }: DialogProps) {
  return (
    <Modal.Root
      opened={isOpen}
      onClose={onClose}
      size={size}
      closeOnClickOutside={closesOutside}
      closeOnEscape={closesOutside}
      lockScroll={false}
      zIndex={isAbove ? ABOVE : undefined}
    >
      <Modal.Overlay />
      <Modal.Content>
        <Modal.Header renderRoot={(props) => <div {...props} />}>
          <Modal.Title>{title}</Modal.Title>
          <Modal.CloseButton aria-label={texts.close} />
        </Modal.Header>
        <Modal.Body>{children}</Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
