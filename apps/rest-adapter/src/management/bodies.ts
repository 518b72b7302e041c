import { METHODS, NAME_PATTERN, SUBJECT_PATTERN, type Method, type Violation } from '@countersign/contracts';
import { toE164 } from '@countersign/normalization';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  Matches,
  Max,
  Min,
  ValidateIf,
} from 'class-validator';
import { answerRules } from '../verifications/answer-rules.js';
import { policyRules } from './policy-rules.js';
import { Body } from '../http/read-body.js';

export const NAME_RULE = 'must be 1 to 63 of a-z, 0-9, _ and -, and begin with a letter or digit';
export const SUBJECT_RULE =
  'must be 1 to 128 letters, digits or . _ : @ + -, begin with a letter or digit, and not end with a full stop';
export const PHONE_RULE = 'must be a possible telephone number with its country code, such as +12025550100';
/** ASCII digits only: an API has no spoken numbers to normalise. */
export const PIN_RULE = 'must be a string of 4 to 8 digits';
export const ANSWERS_RULE = 'must be an object with the answers by the name of their question';

/** Texts that people read. Control characters and halves of surrogate pairs reach no database, terminal or voice. */
const TEXT_PATTERN = /^[^\p{Cc}\p{Cs}]{1,200}$/u;
const REASON_PATTERN = /^(?=.*\S)[^\p{Cc}\p{Cs}]{1,500}$/u;
/** Ids of calls come from telephone platforms: printable ASCII. */
export const CALL_PATTERN = /^[\x21-\x7e]{1,256}$/;
export const CALL_RULE = 'must be 1 to 256 printable ASCII characters without spaces';
/** The shapes of RFC 5646 that occur: language, script, region, variants. */
const LOCALE_PATTERN = /^(?=.{2,35}$)[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}$/;
const PIN_PATTERN = /^[0-9]{4,8}$/;

/** Absent is fine; null is not, it is no value of anything here. */
const Optional = (): PropertyDecorator => ValidateIf((_body, value) => value !== undefined);
/** Why an operator does something: only its keyed hash goes further than the adapter. */
export const IsReason = (): PropertyDecorator =>
  Matches(REASON_PATTERN, { message: 'must be a text of 1 to 500 characters without control characters' });
/** In a merge patch null is no value, but clears the field. Takes the place of {@link Optional} of a parent class. */
const Clearable = (): PropertyDecorator => ValidateIf((_body, value) => value !== undefined && value !== null);
const IsCallId = (): PropertyDecorator => Matches(CALL_PATTERN, { message: CALL_RULE });
const IsText = (): PropertyDecorator =>
  Matches(TEXT_PATTERN, { message: 'must be a text of 1 to 200 characters without control characters' });

export class TenantBody extends Body {
  @IsText() name!: string;
  @Optional() policy?: Record<string, unknown>;

  override rules(): Violation[] {
    return this.policy === undefined ? [] : policyRules(this.policy);
  }
}

/** A merge patch (RFC 7396) of a tenant or an agent: null clears a field of the policy, or all of it. */
export class NameAndPolicyPatchBody extends Body {
  @Optional() @IsText() name?: string;
  @Optional() policy?: Record<string, unknown> | null;

  override rules(): Violation[] {
    return this.policy === undefined || this.policy === null ? [] : policyRules(this.policy);
  }
}

export class AgentBody extends Body {
  @Matches(NAME_PATTERN, { message: NAME_RULE }) agent!: string;
  @Optional() @IsText() name?: string;
  @Optional() policy?: Record<string, unknown>;

  override rules(): Violation[] {
    return this.policy === undefined ? [] : policyRules(this.policy);
  }
}

export class RotateBody extends Body {
  /** How long the old secrets stay valid. At most a week, as in the command. */
  @IsInt({ message: 'must be a whole number' })
  @Min(0, { message: 'must be at least 0' })
  @Max(604_800, { message: 'must be at most 604800' })
  graceSeconds: number = 86_400;
}

export class SubjectBody extends Body {
  @Optional()
  @ArrayMaxSize(10, { message: 'must have at most 10 numbers' })
  @IsArray({ message: 'must be a list' })
  phones?: unknown[];
  @Optional() @IsText() displayName?: string;
  @Optional() @Matches(LOCALE_PATTERN, { message: 'must be a language tag, such as en-US' }) locale?: string;

  override rules(): Violation[] {
    return (this.phones ?? []).flatMap((phone, index) =>
      e164(phone) === undefined ? [{ field: `phones[${index}]`, rule: PHONE_RULE }] : [],
    );
  }

  /** What was sent; JSON leaves out what is undefined. Numbers are in E.164, each once: spellings of one are one number. */
  changes(): Readonly<Record<string, unknown>> {
    const phones = this.phones && [...new Set(this.phones.map(e164).filter((phone) => phone !== undefined))];
    return { phones, displayName: this.displayName, locale: this.locale };
  }
}

/** A merge patch (RFC 7396) of a subject: null clears a field. */
export class SubjectPatchBody extends SubjectBody {
  @Clearable() declare phones?: unknown[];
  @Clearable() declare displayName?: string;
  @Clearable() declare locale?: string;
}

export class PinBody extends Body {
  @Matches(PIN_PATTERN, { message: PIN_RULE }) pin!: string;
  /** The caller has to change it: it was chosen by somebody else. */
  @Optional() @IsBoolean({ message: 'must be true or false' }) forceChange?: boolean;
}

export class PinChangeBody extends Body {
  @Matches(PIN_PATTERN, { message: PIN_RULE }) currentPin!: string;
  @Matches(PIN_PATTERN, { message: PIN_RULE }) newPin!: string;
  @Optional() @IsCallId() callId?: string;
}

export class KnowledgeBody extends Body {
  @IsObject({ message: ANSWERS_RULE }) answers!: Record<string, string>;

  override rules(): Violation[] {
    return answerRules(this.answers);
  }
}

export class UnlockBody extends Body {
  @IsReason() reason!: string;
}

export class VerificationBody extends Body {
  @IsIn(METHODS, { message: 'must be "pin" or "knowledge"' }) method!: Method;
  @Optional() @Matches(SUBJECT_PATTERN, { message: SUBJECT_RULE }) subject?: string;
  @Optional() phone?: string;
  /** Who calls, whoever is asked about. */
  @Optional() callerPhone?: string;
  @Optional() @IsCallId() callId?: string;
  /** With the method `pin`, and only with it. */
  @Optional() @Matches(PIN_PATTERN, { message: PIN_RULE }) pin?: string;
  /** With the method `knowledge`, and only with it. */
  @Optional() @IsObject({ message: ANSWERS_RULE }) answers?: Record<string, string>;

  override rules(): Violation[] {
    return [...this.#subjectRules(), ...this.#guessRules()];
  }

  #guessRules(): Violation[] {
    switch (this.method) {
      case 'pin':
        if (this.pin === undefined) return [{ field: 'pin', rule: PIN_RULE }];
        return this.answers === undefined ? [] : [{ field: 'answers', rule: 'belongs to the method "knowledge"' }];
      case 'knowledge':
        if (this.answers === undefined) return [{ field: 'answers', rule: ANSWERS_RULE }];
        if (this.pin !== undefined) return [{ field: 'pin', rule: 'belongs to the method "pin"' }];
        return answerRules(this.answers);
    }
  }

  #subjectRules(): Violation[] {
    if ((this.subject === undefined) === (this.phone === undefined)) {
      return [{ field: 'subject', rule: 'exactly one of subject and phone must be given' }];
    }
    if (this.phone !== undefined && e164(this.phone) === undefined) return [{ field: 'phone', rule: PHONE_RULE }];
    if (this.callerPhone !== undefined && e164(this.callerPhone) === undefined) {
      return [{ field: 'callerPhone', rule: PHONE_RULE }];
    }
    return [];
  }

  e164CallerPhone(): string | undefined {
    return this.callerPhone === undefined ? undefined : e164(this.callerPhone);
  }

  e164Phone(): string | undefined {
    return this.phone === undefined ? undefined : e164(this.phone);
  }
}

export class IntrospectionBody extends Body {
  /** Any text: what is no receipt is one that is not good. */
  @Matches(/^[\x21-\x7e]{1,4096}$/, { message: 'must be 1 to 4096 printable ASCII characters without spaces' })
  receipt!: string;
  @Optional() @Matches(CALL_PATTERN, { message: CALL_RULE }) callId?: string;
  @Optional() @IsBoolean({ message: 'must be true or false' }) consume?: boolean;
}

function e164(value: unknown): string | undefined {
  return typeof value === 'string' ? toE164(value) : undefined;
}
