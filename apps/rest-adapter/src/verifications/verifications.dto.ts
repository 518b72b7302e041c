import {
  ANSWER_KEYWORDS,
  e164,
  IsCallId,
  IsPin,
  IsSubjectIdField,
  Optional,
  PHONE_KEYWORDS,
  PHONE_RULE,
  PIN_RULE,
  RequestBody,
  SHOWN_LIMITS,
  type ShownLimit,
  Described,
  Field,
} from '@countersign/api';
import {
  LEVELS,
  METHODS,
  OUTCOMES,
  type Level,
  type Method,
  type Outcome,
  type Violation,
} from '@countersign/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsObject } from 'class-validator';
import { answerRules, ANSWERS_RULE } from './answer-rules.js';

@Described({
  examples: [
    { method: 'pin', subject: 'customer-1', pin: '739164', callId: 'call-1' },
    {
      method: 'knowledge',
      phone: '+12025550147',
      callerPhone: '+12025550147',
      answers: { last_four_ssn: '6789', zip_code: '94103' },
    },
  ],
  allOf: [
    { oneOf: [{ required: ['subject'] }, { required: ['phone'] }] },
    {
      oneOf: [
        { properties: { method: { const: 'pin' }, answers: false }, required: ['pin'] },
        { properties: { method: { const: 'knowledge' }, pin: false }, required: ['answers'] },
      ],
    },
  ],
})
export class VerificationBody extends RequestBody {
  @Field('What the caller submits')
  @IsIn(METHODS, { message: 'must be "pin" or "knowledge"' })
  method!: Method;
  @Optional() @IsSubjectIdField() subject?: string;
  @Field('A telephone number of the subject, in E.164, in place of `subject`', PHONE_KEYWORDS)
  @Optional()
  phone?: string;
  @Field(
    'The number of the caller, in E.164. The limits of callers count it, separately from callers on the telephone. Without it the request has no caller',
    PHONE_KEYWORDS,
  )
  @Optional()
  callerPhone?: string;
  @Optional() @IsCallId() callId?: string;
  @Optional() @IsPin('With the method `pin`, and only with it') pin?: string;
  @Field(
    "With the method `knowledge`, and only with it: answers to all questions of the agent's policy, by their names. An answer that is missing or does not have the form of its question is 422 and costs no attempt",
    ANSWER_KEYWORDS,
  )
  @Optional()
  @IsObject({ message: ANSWERS_RULE })
  answers?: Record<string, string>;

  override rules(): Violation[] {
    return [...this.#subjectRules(), ...this.#secretRules()];
  }

  #secretRules(): Violation[] {
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
    return e164(this.callerPhone);
  }

  e164Phone(): string | undefined {
    return e164(this.phone);
  }
}

@Described({ examples: [{ currentPin: '739164', newPin: '916035', callId: 'call-1' }] })
export class PinChangeBody extends RequestBody {
  @IsPin('The current PIN') currentPin!: string;
  @IsPin('The PIN that replaces it') newPin!: string;
  @Optional() @IsCallId() callId?: string;
}

/** The result of an attempt. A refused one reveals nothing about the subject. */
export class Verification {
  @ApiPropertyOptional({ description: 'Id of the attempt in the audit events.' }) verificationId?: string;
  @ApiProperty({ type: 'string', enum: OUTCOMES.filter((outcome) => outcome !== 'disabled') }) outcome!: Outcome;
  @ApiProperty({ type: 'string', enum: LEVELS }) level!: Level;
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    description: "Only if the agent's policy sets tellAttemptsLeft.",
  })
  attemptsLeft?: number;
  @ApiPropertyOptional({ type: 'integer', minimum: 1, description: 'Only with rate_limited.' })
  retryAfterSeconds?: number;
  @ApiPropertyOptional({
    type: 'string',
    enum: SHOWN_LIMITS,
    description: 'Only with rate_limited: the limit that refused. Absent for a limit that counts by subject.',
  })
  limitedBy?: ShownLimit;
  @ApiPropertyOptional({
    readOnly: true,
    description:
      'Only with verified: a JWT (EdDSA) with iss, aud (the tenant), sub (the subject), call_id, agent, level, method, jti (the verificationId), iat and exp, at most 300 seconds later. A secret: whoever has it can consume it.',
  })
  receipt?: string;
  @ApiPropertyOptional({
    type: 'boolean',
    enum: [true],
    description: 'The PIN was right, and the caller must change it.',
  })
  mustChangePin?: true;
  @ApiPropertyOptional({ type: 'boolean', enum: [true], description: 'The new PIN is in force.' }) pinChanged?: true;
}

export class CallVerification {
  @ApiProperty({ description: 'True for any success that still holds; level says how much it proves.' })
  verified!: boolean;
  @ApiProperty({ type: 'string', enum: LEVELS }) level!: Level;
  @ApiPropertyOptional() subject?: string;
  @ApiPropertyOptional() verificationId?: string;
  @ApiPropertyOptional({ format: 'date-time' }) verifiedAt?: string;
  @ApiPropertyOptional({ format: 'date-time' }) expiresAt?: string;
}
