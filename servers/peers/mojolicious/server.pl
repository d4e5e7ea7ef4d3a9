#!/usr/bin/env perl
# Three WebSocket servers in one Mojolicious application: a greeting, an echo, and a chat that announces who joins and leaves.
use Mojolicious::Lite -signatures;
use Mojo::IOLoop;
use Mojo::Server::Daemon;

# Port to listen on; 0 is a free one.
my $PORT = $ENV{PORT} // 0;
# Clients at once; beyond them, connections wait in the backlog. The daemon's default is 1,000.
my $CLIENTS_MAX = 20_000;
# Connections that wait to be accepted: more than a ramp of thousands leaves at any instant.
my $BACKLOG = 4096;
# A client that neither says nor gets anything for so long is let go, s. The daemon's default is 30.
my $INACTIVITY_TIMEOUT = $ENV{INACTIVITY_TIMEOUT} // 3600;
# Heads up to which every join and leave is announced at once. A join is told to all, so the joins of n clients are n * n / 2
# messages. Beyond this many heads, those of a second are announced together.
my $ANNOUNCE_EACH_MAX = $ENV{ANNOUNCE_EACH_MAX} // 200;

app->log->level('warn');

# Everyone in the chat: a transaction by its connection.
my %chatters;
my $guests = 0;
my ($joined, $left) = (0, 0);

sub broadcast ($line) {
  $_->send($line) for values %chatters;
}

sub heads () { scalar(keys %chatters) . ' here' }

sub announce ($line, $counter) {
  if   (keys %chatters <= $ANNOUNCE_EACH_MAX) { broadcast("$line, " . heads()) }
  else                                        { $$counter++ }
}

Mojo::IOLoop->recurring(
  1 => sub {
    return unless $joined || $left;
    broadcast("$joined joined, $left left, " . heads());
    ($joined, $left) = (0, 0);
  }
);

websocket '/' => sub ($c) { $c->send('Connected!') };

websocket '/echo' => sub ($c) {
  $c->on(message => sub ($c, $text) { defined $text ? $c->send("echo: $text") : $c->finish(1007) });
};

websocket '/chat' => sub ($c) {
  my $id   = $c->tx->connection;
  my $name = 'guest ' . ++$guests;

  $chatters{$id} = $c->tx;
  $c->send("Connected! You are $name, " . heads());
  announce("$name joined", \$joined);

  # Text that is no UTF-8 has no characters.
  $c->on(message => sub ($c, $text) { defined $text ? broadcast("$name: $text") : $c->finish(1007) });
  $c->on(
    finish => sub {
      delete $chatters{$id};
      announce("$name left", \$left);
    }
  );
};

my $daemon = Mojo::Server::Daemon->new(
  app                => app,
  backlog            => $BACKLOG,
  inactivity_timeout => $INACTIVITY_TIMEOUT,
  listen             => ["http://127.0.0.1:$PORT"],
  max_clients        => $CLIENTS_MAX,
  silent             => 1,
);
$| = 1;
# At the loop's first turn: from then on it can be asked to end.
Mojo::IOLoop->next_tick(sub { printf "mojolicious listening on http://127.0.0.1:%d\n", $daemon->ports->[0] });

# Whoever started this server has gone when standard input ends.
my $reactor = Mojo::IOLoop->singleton->reactor;
$reactor->io(\*STDIN => sub { Mojo::IOLoop->stop unless sysread STDIN, my $bytes, 4096 })->watch(\*STDIN, 1, 0);
$daemon->run;
