import { Module, type DynamicModule } from '@nestjs/common';
import { OperatorAuthentication } from '@countersign/api';
import { KeyedHash } from '@countersign/crypto';
import { type Host } from '@countersign/hosting';
import { METRICS } from '@countersign/observability';
import { SystemClock } from '@countersign/runtime';
import { AuthenticateOperator } from './authenticate-operator.js';
import { OpenIdProvider } from './open-id-provider.js';
import { OperatorsController } from './operators.controller.js';
import { OperatorSessions } from './operator-sessions.js';
import { openSignInCounts } from './sign-in-counts.js';
import { OperatorSettings, type ProviderSettings } from './operator.settings.js';

const LOGOUT_RESULTS = ['accepted', 'repeated', 'refused', 'unavailable'];
const REFUSAL_REASONS = ['recent_sign_in', 'role', 'cross_site', 'session_ended', 'token'];

/** Sign-in and sessions of operators. Its exports authenticate them at every route. */
@Module({})
export class OperatorsModule {
  static with(host: Host, settings: OperatorSettings, provider: ProviderSettings | undefined): DynamicModule {
    const clock = new SystemClock();
    const logFault = (error: unknown): void =>
      host.logger.warn({ err: error }, 'the OpenID provider gave no usable answer');
    const openIdProvider = provider && new OpenIdProvider(provider, () => clock.now(), logFault);
    openSignInCounts(openIdProvider ? 'oidc' : 'key');
    for (const result of openIdProvider ? LOGOUT_RESULTS : []) METRICS.logoutTokens.inc({ result }, 0);
    for (const reason of REFUSAL_REASONS) METRICS.operatorRequestsRefused.inc({ reason }, 0);
    return {
      module: OperatorsModule,
      controllers: [OperatorsController],
      providers: [
        OperatorSessions,
        { provide: OperatorSettings, useValue: settings },
        {
          provide: AuthenticateOperator,
          useFactory: (sessions: OperatorSessions, hash: KeyedHash) =>
            new AuthenticateOperator(settings, sessions, openIdProvider, clock, hash),
          inject: [OperatorSessions, KeyedHash],
        },
        { provide: OperatorAuthentication, useExisting: AuthenticateOperator },
      ],
      exports: [OperatorAuthentication],
    };
  }
}
