"""The daily command that destroys web logs takes nothing else, whatever lies beside them or the clock says."""

from __future__ import annotations

from tests.lab.fleet import Fleet

SERVICE = "privacy-hosting-log-retention"
SEEN = "/var/lib/privacy-hosting/log-retention/seen"
LINE = r'203.0.113.7 - - [01/Jan/2021:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "x"'

# Logs of a removed site that must go, and what is like them and must stay.
BESIDE = r"""
cd /var/log/apache2
old() { touch --no-dereference -d 2021-01-02 "$@"; }
echo '{LINE}' | tee gone.log.1 'a
b.log.2' > copy.txt
printf "INSERT INTO t VALUES ('2021-01-01 10:00:00');\n" | gzip > shop.sql.gz
echo 'deny all;' > access.conf
tar -czf error-pages.tar.gz access.conf
echo 'no time' > unset.log.1
(echo '{LINE}'; echo '{LINE}' | sed "s/2021/$(date +%Y)/; s/Jan/$(LC_ALL=C date +%b)/"; echo '{LINE}') > merged.log.1
ln -s /etc/passwd link.log.1
mkfifo pipe.log
old gone.log.1 a*.log.2 copy.txt shop.sql.gz access.conf error-pages.tar.gz link.log.1
touch -d @0 unset.log.1
""".replace("{LINE}", LINE)
GOES = {"gone.log.1", "a\\nb.log.2", "copy.txt"}
STAYS = {"shop.sql.gz", "access.conf", "error-pages.tar.gz", "unset.log.1", "merged.log.1", "link.log.1", "pipe.log"}


def names(fleet: Fleet) -> set[str]:
    return set(fleet.shell("web2", "cd /var/log/apache2 && ls --quoting-style=escape").splitlines())


def test_only_web_logs_past_their_time_go(hardened: Fleet):
    before = names(hardened)
    hardened.shell("web2", BESIDE)
    assert names(hardened) == before | GOES | STAYS
    hardened.shell("web2", f"systemctl start {SERVICE}")
    assert names(hardened) == before | STAYS
    assert "destroyed: /var/log/apache2/a\\nb.log.2 " in hardened.shell("web2", f"journalctl -u {SERVICE} -o cat")


# A customer puts a link where the directory of the logs of their site was.
CUSTOMER = f"""
useradd -m alice
chmod 755 /home/alice
install -d -o alice -g alice /home/alice/web /home/alice/web/logs
: > /home/alice/web/logs/access.log
mkdir -p /srv/hold/logs
echo '{LINE}' > /srv/hold/logs/access.log.1
cat > /etc/apache2/sites-enabled/alice.conf << 'END'
<VirtualHost *:80>
    ServerName alice.example
    CustomLog /home/alice/web/logs/access.log combined
</VirtualHost>
END
systemctl reload apache2
"""
LINKED = "mv /home/alice/web /home/alice/web2 && runuser -u alice -- ln -s /srv/hold /home/alice/web"


def test_a_customers_link_leads_to_nobodys_logs(hardened: Fleet):
    hardened.shell("web2", CUSTOMER)
    played = hardened.play("harden", "--limit", "web2")
    assert played.status == 0, played.output
    hardened.shell("web2", f"{LINKED}; ! systemctl start {SERVICE}")
    assert "access.log.1" in hardened.shell("web2", "ls /srv/hold/logs")
    assert "web is a link that root did not make" in hardened.shell("web2", f"journalctl -u {SERVICE} -o cat")


def test_a_clock_that_leapt_destroys_nothing_until_somebody_says_that_it_is_right(hardened: Fleet):
    hardened.shell("web2", BESIDE)
    before = names(hardened)
    hardened.shell("web2", f"echo 2016-11-20T00:00:00+00:00 > {SEEN}; ! systemctl start {SERVICE}")
    assert names(hardened) == before
    assert "nothing was destroyed: it is" in hardened.shell("web2", f"journalctl -u {SERVICE} -o cat")
    assert hardened.play("harden", "--limit", "web2").status == 0
    assert names(hardened) == before - GOES


def test_more_than_half_goes_only_when_asked_for(hardened: Fleet):
    hardened.shell("web2", f"for n in $(seq 100); do echo '{LINE}' > /var/log/apache2/gone.log.$n; done")
    before = names(hardened)
    played = hardened.play("harden", "--limit", "web2")
    assert played.status != 0 and "100 of " in played.output and "nothing was changed" in played.output
    assert names(hardened) == before
    assert hardened.play("harden", "--limit", "web2", "-e", "log_retention_destroy_most=true").status == 0
    assert len(names(hardened)) == len(before) - 100
