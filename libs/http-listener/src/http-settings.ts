import { IsBoolean, IsInt, IsOptional, IsString, Max, Min } from 'class-validator';
import { Meaning } from '@countersign/contracts';
import { IsProxyList } from './trusted-proxies.js';

/** Settings of every port that speaks HTTP. Limits apply to each port on its own. */
export class HttpSettings {
  @Meaning('Address to listen on; `0.0.0.0` in a container')
  @IsString()
  HOST: string = '127.0.0.1';

  @Meaning('Port of health and metrics; 0 picks a free port')
  @IsInt()
  @Min(0)
  @Max(65_535)
  OPS_PORT: number = 9464;

  @Meaning(
    'Path of a PEM file with the certificate of the server and its chain. With it, ports for clients speak TLS only',
  )
  @IsOptional()
  @IsString()
  TLS_CERT_FILE?: string;

  @Meaning('Path of a PEM file with the private key of `TLS_CERT_FILE`, without a passphrase')
  @IsOptional()
  @IsString()
  TLS_KEY_FILE?: string;

  @Meaning(
    'Path of a PEM file with authorities. With it, ports for clients require a client certificate that one of them signed',
  )
  @IsOptional()
  @IsString()
  TLS_CLIENT_CA_FILE?: string;

  @Meaning(
    'How often the TLS files are read again. New connections use changed files; files that break a rule are not used',
  )
  @IsInt()
  @Min(1)
  @Max(3600)
  TLS_RELOAD_SECONDS: number = 10;

  @Meaning('`true`: `OPS_PORT` also speaks TLS, with the same certificate and without client certificates')
  @IsBoolean()
  OPS_TLS: boolean = false;

  @Meaning(
    'Addresses and ranges of proxies, for example `10.0.0.0/8,2001:db8::7`. Only from them `X-Forwarded-For` is read: the source of a request is its rightmost address that is no trusted proxy',
  )
  @IsProxyList()
  TRUSTED_PROXIES: string = '';

  @Meaning(
    'Longest time in which an HTTP request must have arrived whole, headers included; its connection ends at most 1 s later. Also for a TLS handshake',
  )
  @IsInt()
  @Min(500)
  @Max(120_000)
  RECEIVE_TIMEOUT_MS: number = 15_000;

  @Meaning(
    'Longest time in which a client must have taken an answer, or the next 64 KiB of a longer one; its connection ends at most 1 s later',
  )
  @IsInt()
  @Min(500)
  @Max(600_000)
  SEND_TIMEOUT_MS: number = 30_000;

  @Meaning('A connection without a request ends after this time; longer than the idle time-out of a proxy in front')
  @IsInt()
  @Min(1)
  @Max(3600)
  HTTP_KEEP_ALIVE_SECONDS: number = 72;

  @Meaning('Open connections; more are refused')
  @IsInt()
  @Min(10)
  @Max(1_000_000)
  HTTP_MAX_CONNECTIONS: number = 10_000;

  @Meaning(
    'Open connections of one IPv4 address or IPv6 network of 64 bits; more are refused. Trusted proxies have no such limit',
  )
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  HTTP_MAX_CONNECTIONS_PER_ADDRESS: number = 1000;

  @Meaning(
    'Requests of one connection. The last answer says that the connection ends, so connections move to new copies; more are answered 503',
  )
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  HTTP_MAX_REQUESTS_PER_CONNECTION: number = 1000;

  @Meaning('Headers of a request, with its request line, in bytes; more are answered 431')
  @IsInt()
  @Min(8192)
  @Max(65_536)
  HTTP_MAX_HEADER_BYTES: number = 16_384;

  @Meaning('Headers of a request; more are answered 431')
  @IsInt()
  @Min(20)
  @Max(1000)
  HTTP_MAX_HEADERS: number = 100;
}
