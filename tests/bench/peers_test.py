#!/usr/bin/env python3
"""bench/peers with programs that only pretend: what it asks of them, what it makes of what they print, how it fails."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'bench', 'peers')

R1 = r'''
a = sys.argv
if '--machine' in a:
    print(json.dumps({"peaks": [{"what": "memory read", "one_thread": 20, "all_threads": 30.0}]}))
else:
    batch = int(a[a.index('--batch') + 1]) if '--batch' in a else 1
    print(json.dumps({"results": [{"tokens_per_second": {"median": 29.0 * batch, "high": 30.0 * batch}, "bytes_per_token": 500000000}]}))
'''
BENCH = r'''
open('bench.log', 'w').close()
print('WARNING: something, or other')
fastest = 40.0 if '-rtr' in sys.argv else 20.0
repeat = int(sys.argv[sys.argv.index('-r') + 1])
print('[ { "n_prompt": 1, "samples_ts": [ %s ] } ]' % ', '.join(str(fastest / (1 + i)) for i in range(repeat)))
'''
BATCHED = r'''
a = sys.argv
def v(flag): return int(a[a.index(flag) + 1])
print('|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |', file=sys.stderr)
print('|%6d | %6d | %4d | %6d | %8.3f | %8.2f | %8.3f | %8.2f | %8.3f | %8.2f |' %
      (v('-npp'), v('-ntg'), v('-npl'), 1, 1, 999, 1, 15.0 * v('-npl'), 1, 999), file=sys.stderr)
'''


class Peers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.log = self.path('log')
        for name, body in (('r1', R1), ('bench', BENCH), ('batched', BATCHED)):
            self.program(name, body)
        self.write('a.gguf', '')

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text):
        with open(self.path(name), 'w') as file:
            file.write(text)

    def asked(self):
        with open(self.log) as file:
            return file.read().splitlines()

    def program(self, name, body):
        self.write(name, f'#!{sys.executable}\nimport json, os, sys\nwith open({self.log!r}, "a") as log:\n'
                         '    print(os.path.basename(sys.argv[0]), *sys.argv[1:], file=log)\n' + body)
        os.chmod(self.path(name), 0o755)

    def run_peers(self, *more, r1='r1', batched=True):
        command = [sys.executable, PEERS, '--r1', self.path(r1), '--model', self.path('a.gguf'),
                   '--llama-bench', self.path('bench'), '--ik-bench', self.path('bench')]
        if batched:
            command += ['--llama-batched-bench', self.path('batched'), '--ik-batched-bench', self.path('batched')]
        return subprocess.run(command + list(more), capture_output=True, text=True)

    def rows(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [[c.strip() for c in line.strip('|').split('|')] for line in done.stdout.splitlines()]
        return {(line[1], line[2]): line for line in lines[2:]}

    def test_every_row_of_the_table(self):
        rows = self.rows(self.run_peers('--threads', '1,2', '--rounds', '2'))
        self.assertFalse(os.path.exists('bench.log'))
        self.assertEqual(len(rows), 2 * 5)
        for threads in '12':
            prefill = rows['prefill 512', threads]
            self.assertEqual(prefill[3:8], ['30.0 ±0.0', '20.0 ±0.0', '20.0 ±0.0', '40.0 ±0.0', '**0.75** (0.75–0.75)'])
            self.assertEqual(prefill[8], '')
            self.assertEqual(rows['decode at depth 4096', threads][7], '**2.00** (2.00–2.00)')
            many = rows['decode × 32 sequences', threads]
            self.assertEqual(many[3:5], ['960.0 ±0.0', '480.0 ±0.0'])
        # 0.5 GB a token and sequence, as r1 says, at 30 tokens per second of each.
        self.assertEqual(rows['decode 128', '1'][8], '50 % of 30.0')

    def test_the_same_work_is_asked_of_all_in_turn(self):
        self.rows(self.run_peers('--rows', 'decode,batch', '--batch', '8', '--rounds', '2', '--threads', '2'))
        asked = [line for line in self.asked() if '--machine' not in line]
        self.assertEqual([line.split()[0] for line in asked[:8]], ['r1', 'bench', 'bench', 'bench'] + ['bench'] * 3 + ['r1'])
        self.assertIn('--prefill 0 --decode 128 --depth 0 --batch 1', asked[0])
        self.assertIn('-t 2 -p 0 -n 128', asked[1])
        self.assertIn('--decode 32 --depth 128 --batch 8', asked[8])
        self.assertIn('-t 2 -tb 2 -c 2048', asked[9])
        self.assertIn('-npp 128 -ntg 32 -npl 8', asked[9])
        machine = [line for line in self.asked() if '--machine' in line]
        self.assertEqual(len(machine), 2 * (2 * 4 + 1))  # before each, and after the last

    def test_a_bandwidth_that_swings_is_marked(self):
        self.program('r1', R1.replace('30.0}', f'20 + len(open({self.log!r}).readlines()) % 3 * 10}}'))
        rows = self.rows(self.run_peers('--rows', 'decode'))
        self.assertTrue(rows['decode 128', '1'][8].startswith('~'), rows)

    def test_results_are_kept_and_replaced(self):
        results = self.path('results.json')
        self.rows(self.run_peers('--rows', 'prefill', '--results', results))
        self.rows(self.run_peers('--rows', 'decode', '--results', results))
        self.program('bench', BENCH.replace('20.0', '10.0').replace('40.0', '10.0'))
        rows = self.rows(self.run_peers('--rows', 'prefill', '--results', results))
        self.assertEqual(sorted(rows), [('decode 128', '1'), ('prefill 512', '1')])
        self.assertEqual(rows['prefill 512', '1'][7], '**3.00** (3.00–3.00)')
        with open(results) as file:
            kept = json.load(file)
        self.assertEqual(kept['rows'][0]['samples']['llama.cpp'], [10.0] * 5)
        shown = subprocess.run([sys.executable, PEERS, '--table', '--results', results], capture_output=True, text=True)
        self.assertEqual(self.rows(shown), rows)

    def test_a_prefix_starts_every_program(self):
        self.rows(self.run_peers('--rows', 'prefill', '--rounds', '1', '--prefix', 'env PREFIXED=1'))
        self.program('r1', 'sys.exit(0 if os.environ.get("PREFIXED") == "1" else 3)\n')
        self.assertIn('printed no figures', self.run_peers('--prefix', 'env PREFIXED=1').stderr)

    def test_what_is_wrong_is_named(self):
        def error(**kwargs):
            done = self.run_peers(*kwargs.pop('more', ()), **kwargs)
            self.assertNotEqual(done.returncode, 0)
            self.assertNotIn('Traceback', done.stderr)
            return done.stderr
        self.assertIn('cannot run ' + self.path('absent') + ': No such file', error(r1='absent'))
        self.assertIn('no such file: ' + os.path.abspath('absent.gguf'), error(more=['--model', 'absent.gguf']))
        self.assertIn('sideways: it must be of prefill, decode, depth, batch', error(more=['--rows', 'sideways']))
        self.assertIn('at least 1', error(more=['--rounds', '0']))
        self.program('bench', 'print("unknown model architecture: x"); sys.exit(2)\n')
        message = error()
        self.assertIn('ended with status 2', message)
        self.assertIn('unknown model architecture: x', message)
        self.program('bench', 'print("hello")\n')
        self.assertIn('printed no figures that this script knows:\nhello', error())
        self.write('bad.json', '[]')
        self.assertIn('does not hold the results', error(more=['--results', self.path('bad.json')]))


if __name__ == '__main__':
    unittest.main()
