import { downloadHeaders, downloadType } from '../../../apps/query-api/messages/download-headers';

describe('the name a download is saved under', () => {
  it.each([
    ['plain', 'report.pdf', 'report.pdf'],
    ['of any script', 'Grüße ✉.txt', 'Gr%C3%BC%C3%9Fe%20%E2%9C%89.txt'],
    ['that would add a header', 'a\r\nX-Evil: 1', 'aX-Evil%3A%201'],
    ['that would end the value', 'a"; filename=b', 'a%3B%20filename%3Db'],
    ['that shows another ending', 'invoice\u202efdp.exe', 'invoicefdp.exe'],
    ['that leaves the directory', '../../etc/passwd', 'etcpasswd'],
    ['of a hidden file', '.bashrc', 'bashrc'],
    ['with half a character', 'a\ud800b', 'ab'],
    ['with what RFC 8187 does not allow', "it's (1)*", 'it%27s%20%281%29%2A'],
    ['of nothing but refuse', '\u0000\r\n', 'attachment'],
    ['absent', null, 'attachment'],
  ])('%s', (_what, filename, encoded) => {
    expect(downloadHeaders(filename)['content-disposition']).toBe(`attachment; filename*=UTF-8''${encoded}`);
  });

  it('is cut between characters', () => {
    const [, encoded = ''] = (downloadHeaders('✉'.repeat(500))['content-disposition'] ?? '').split("UTF-8''");
    expect(decodeURIComponent(encoded)).toBe('✉'.repeat(200));
  });
});

describe('the type a download is sent as', () => {
  it.each([
    ['image/png', 'image/png'],
    ['Image/PNG; name="x"', 'image/png'],
    ['image/svg+xml', 'application/octet-stream'],
    ['text/html', 'application/octet-stream'],
    ['application/xhtml+xml', 'application/octet-stream'],
    ['text/xml', 'application/octet-stream'],
    ['application/javascript', 'application/octet-stream'],
    ['image/png\r\nX: 1', 'application/octet-stream'],
    ['', 'application/octet-stream'],
  ])('%j is %s', (claimed, sent) => {
    expect(downloadType(claimed)).toBe(sent);
  });
});
