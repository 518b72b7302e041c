import {
  ANSWER_KEYWORDS,
  Clearable,
  e164,
  IsPin,
  IsReason,
  IsSubjectIdField,
  IsText,
  Optional,
  PHONE_KEYWORDS,
  PHONE_QUERY_KEYWORDS,
  PHONE_RULE,
  SUBJECT_RULE,
  RequestBody,
  Described,
  Field,
} from '@countersign/api';
import {
  CREDENTIAL_FILTERS,
  METHODS,
  SUBJECT_PATTERN,
  type CredentialFilter,
  type Method,
  type Violation,
} from '@countersign/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsBoolean, IsIn, IsObject, Matches } from 'class-validator';
import { answerRules, ANSWERS_RULE } from '../../verifications/answer-rules.js';
import { NEXT_CURSOR, PagingQuery } from '../tenants/tenants.dto.js';

/** The shapes of RFC 5646 that occur: language, script, region, variants. */
const LOCALE_PATTERN = /^(?=.{2,35}$)[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,4}$/;

@Described({ examples: [{ phones: ['+12025550147'], displayName: 'Ada', locale: 'en-US' }] })
export class SubjectBody extends RequestBody {
  @Field('All telephone numbers of the subject, in E.164. Other spellings with a country code are normalized', {
    items: PHONE_KEYWORDS,
  })
  @Optional()
  @ArrayMaxSize(10, { message: 'must have at most 10 numbers' })
  @IsArray({ message: 'must be a list' })
  phones?: unknown[];
  @Optional() @IsText('Name that a verified caller is greeted with') displayName?: string;
  @Field('Language tag of the texts that are spoken to the caller, such as en-US')
  @Optional()
  @Matches(LOCALE_PATTERN, { message: 'must be a language tag, such as en-US' })
  locale?: string;

  override rules(): Violation[] {
    return (this.phones ?? []).flatMap((phone, index) =>
      e164(phone) === undefined ? [{ field: `phones[${index}]`, rule: PHONE_RULE }] : [],
    );
  }

  /** The fields that were sent; JSON omits undefined ones. Numbers are in E.164, each once however it was spelled. */
  changes(): Readonly<Record<string, unknown>> {
    const phones = this.phones && [...new Set(this.phones.map(e164).filter((phone) => phone !== undefined))];
    return { phones, displayName: this.displayName, locale: this.locale };
  }
}

/** A merge patch (RFC 7396) of a subject: null clears a field. */
@Described({ examples: [{ displayName: null, locale: 'de-CH' }] })
export class SubjectPatchBody extends SubjectBody {
  @Clearable() declare phones?: unknown[];
  @Clearable() declare displayName?: string;
  @Clearable() declare locale?: string;
}

@Described({ examples: [{ pin: '739164', forceChange: true }] })
export class PinBody extends RequestBody {
  @IsPin('The new PIN, 4 to 8 digits') pin!: string;
  @Field(
    'For a PIN that the caller did not choose: it reaches the level `identified` until the caller changes it. Default: false',
  )
  @Optional()
  @IsBoolean({ message: 'must be true or false' })
  forceChange?: boolean;
}

@Described({ examples: [{ answers: { last_four_ssn: '6789', zip_code: '94103' } }] })
export class KnowledgeBody extends RequestBody {
  @Field('Answers by the names of the questions. Case, accents and punctuation do not matter', ANSWER_KEYWORDS)
  @IsObject({ message: ANSWERS_RULE })
  answers!: Record<string, string>;

  override rules(): Violation[] {
    return answerRules(this.answers);
  }
}

/** The query of a list of subjects. Its values are texts. */
@Described()
export class SubjectListQuery extends PagingQuery {
  @Field('`nextCursor` of the page before. Absent: the first page')
  @Optional()
  @Matches(SUBJECT_PATTERN, { message: SUBJECT_RULE })
  cursor?: string;
  @Field('Only the subject with this telephone number, in E.164', PHONE_QUERY_KEYWORDS)
  @Optional()
  phone?: string;
  @Field(
    'Only subjects without a credential (`none`), or with a credential that is locked or disabled. A page can then have ' +
      'fewer items than its limit, also none, while `nextCursor` is set',
  )
  @Optional()
  @IsIn(CREDENTIAL_FILTERS, { message: `must be ${CREDENTIAL_FILTERS.join(' or ')}` })
  credential?: CredentialFilter;

  override rules(): Violation[] {
    return this.phone === undefined || this.number !== undefined ? [] : [{ field: 'phone', rule: PHONE_RULE }];
  }

  /** A plus that is not percent-encoded arrives as a space. */
  get number(): string | undefined {
    return e164(this.phone?.replace(/^ /, '+'));
  }
}

/** A search for the subject with a number, or with an id. */
@Described({
  examples: [{ phone: '+12025550147' }, { subject: 'customer-1' }],
  oneOf: [{ required: ['phone'] }, { required: ['subject'] }],
})
export class SubjectSearchBody extends RequestBody {
  @Field('The whole telephone number, in E.164. Other spellings with a country code are normalized', PHONE_KEYWORDS)
  @Optional()
  phone?: string;
  @Optional() @IsSubjectIdField() subject?: string;

  override rules(): Violation[] {
    if ((this.phone === undefined) === (this.subject === undefined))
      return [{ field: 'phone', rule: 'must be given, or subject, and not both' }];
    return this.phone !== undefined && this.number === undefined ? [{ field: 'phone', rule: PHONE_RULE }] : [];
  }

  get number(): string | undefined {
    return e164(this.phone);
  }
}

@Described({ examples: [{ reason: 'called back at the number on file' }] })
export class UnlockBody extends RequestBody {
  @IsReason() reason!: string;
}

class AttemptCounterState {
  @ApiProperty({
    type: 'integer',
    minimum: 0,
    description: 'Counted attempts of all callers in the attempt window.',
  })
  attemptsInWindow!: number;
  @ApiPropertyOptional({
    format: 'date-time',
    description:
      'End of the lock; the later end if both unrecognized callers and all callers are locked. Absent without a lock.',
  })
  lockedUntil?: string;
  @ApiProperty({
    type: 'integer',
    minimum: 0,
    maximum: 10,
    description:
      'Failures since the last success or enrolment. 9 means nine or more; 10 means as many as disabled the credential. Higher numbers would reveal the length of a PIN.',
  })
  consecutiveFailures!: number;
  @ApiProperty({ description: 'True until the credential is enrolled again.' }) disabled!: boolean;
}

export class RecognizedCallerDetails {
  @ApiPropertyOptional({ pattern: '^[0-9]{1,2}$', description: 'Last two digits of the number of the caller.' })
  callerTail?: string;
  @ApiPropertyOptional({
    format: 'date-time',
    description: 'When the caller verified for the first time with this credential.',
  })
  firstVerifiedAt?: string;
}

export class CredentialDetails extends AttemptCounterState {
  @ApiProperty({ type: 'string', enum: METHODS }) method!: Method;
  @ApiProperty({ format: 'date-time', description: 'When the current credential was enrolled.' }) enrolledAt!: string;
  @ApiProperty({ description: 'The caller did not choose this credential and must change it.' }) mustChange!: boolean;
  @ApiProperty({
    type: [RecognizedCallerDetails],
    maxItems: 8,
    description:
      'The callers who have verified with this credential by telephone; the latest success first. Callers who were recognized ' +
      'by an earlier version have no fields.',
  })
  recognizedCallers!: RecognizedCallerDetails[];
}

/** Nothing secret, and nothing derived from a secret. The counter beside the list is that of the PIN. */
export class SubjectDetails extends AttemptCounterState {
  @ApiProperty() subject!: string;
  @ApiPropertyOptional({ description: 'Name that a verified caller is greeted with.' }) displayName?: string;
  @ApiPropertyOptional({ description: 'Language tag of the texts that are spoken to the caller.' }) locale?: string;
  @ApiProperty({
    type: [String],
    example: ['+1…47'],
    description: 'Country code and last two digits of each telephone number.',
  })
  phones!: string[];
  @ApiProperty() pinEnrolled!: boolean;
  @ApiProperty() pinMustChange!: boolean;
  @ApiProperty() knowledgeEnrolled!: boolean;
  @ApiProperty({
    type: [CredentialDetails],
    description: 'The enrolled credentials, each with a counter of its own.',
  })
  credentials!: CredentialDetails[];
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
  @ApiProperty({ format: 'date-time', description: 'Time of the last change of name, language or numbers.' })
  updatedAt!: string;
}

export class SubjectPage {
  @ApiProperty({ type: [SubjectDetails] }) items!: SubjectDetails[];
  @ApiProperty(NEXT_CURSOR) nextCursor!: string | null;
}
