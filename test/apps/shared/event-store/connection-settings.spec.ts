import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clientUrl, connectionSettings } from '../../../../apps/shared/event-store/connection-settings';

describe('the URL of the event store', () => {
  it.each([
    'esdb://127.0.0.1:2113?tls=false',
    'esdb://admin:changeit@node.example:2113?tlsCAFile=/ca.pem&keepAliveInterval=10000',
    'esdb://node.example:2113?userCertFile=/user.pem&userKeyFile=/user.key',
    'esdb://a,b?nodePreference=follower&maxDiscoverAttempts=3&discoveryInterval=9&gossipTimeout=2',
  ])('reaches the client as it is: %s', (url) => {
    expect(clientUrl(url)).toBe(url);
  });

  it('gets what a cluster needs where it does not say otherwise', () => {
    const defaults = 'nodePreference=leader&maxDiscoverAttempts=1000&discoveryInterval=200&gossipTimeout=1';
    expect(clientUrl('esdb://a:1,b:2,c:3')).toBe(`esdb://a:1,b:2,c:3?${defaults}`);
    expect(clientUrl('esdb+discover://cluster.example:2113/')).toBe(
      `esdb+discover://cluster.example:2113?${defaults}`,
    );
    expect(clientUrl('esdb://a,b?tls=false&gossip_timeout=7')).toBe(
      'esdb://a,b?tls=false&gossip_timeout=7&nodePreference=leader&maxDiscoverAttempts=1000&discoveryInterval=200',
    );
  });

  it('may use the newer name of the scheme', () => {
    expect(clientUrl('kurrentdb://a:1?tls=false')).toBe('esdb://a:1?tls=false');
    expect(clientUrl('kurrentdb+discover://a:1?gossipTimeout=2')).toMatch(/^esdb\+discover:/);
  });

  it('must not switch off errors, because the client invents revisions then', () => {
    expect(() => clientUrl('esdb://a?throwOnAppendFailure=false')).toThrow('throwOnAppendFailure');
  });

  it('says where to connect, and sends credentials over TLS alone', () => {
    expect(connectionSettings('esdb://user:p%40ss@a:1?tls=false')).toMatchObject({
      ...{ hosts: [{ address: 'a', port: 1 }], isDiscovered: false, tls: null, authorization: null },
    });
    expect(connectionSettings('esdb+discover://user:p%40ss@a,b?gossipTimeout=2')).toMatchObject({
      ...{ hosts: [{ address: 'a', port: 2113 }], isDiscovered: true, gossipTimeoutMs: 2_000, tls: {} },
      authorization: `Basic ${Buffer.from('user:p@ss').toString('base64')}`,
    });
  });

  it('names files, and says which is missing', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mf-'));
    const file = join(folder, 'ca.pem');
    writeFileSync(file, 'a certificate');
    const query = `tlsCAFile=${file}&userCertFile=${file}&userKeyFile=${file}`;
    const content = Buffer.from('a certificate');
    expect(connectionSettings(`esdb://a?${query}`).tls).toEqual({ ca: content, cert: content, key: content });
    rmSync(folder, { recursive: true });
    expect(() => connectionSettings(`esdb://a?${query}`)).toThrow(file);
  });
});
