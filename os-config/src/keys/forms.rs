//! The forms of text that keys take.

use crate::spec::Form;

pub(super) const TEXT: Form = Form {
    name: "text",
    pattern: None,
    example: "text",
};
pub(super) const NAME: Form = Form {
    name: "name",
    pattern: Some("^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$"),
    example: "web",
};
pub(super) const HOST_NAME: Form = Form {
    name: "host name",
    pattern: Some("^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$"),
    example: "edge-17",
};
pub(super) const TIMEZONE: Form = Form {
    name: "time zone",
    pattern: Some("^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z][A-Za-z0-9_+-]*)*$"),
    example: "Europe/Berlin",
};
pub(super) const LABEL: Form = Form {
    name: "label",
    pattern: Some("^[A-Za-z0-9._/-]{1,63}$"),
    example: "site",
};
pub(super) const IMAGE: Form = Form {
    name: "image reference",
    pattern: Some("^[^\\s]+$"),
    example: "registry.example.com/web:1.4",
};
pub(super) const DURATION: Form = Form {
    name: "duration",
    pattern: Some("^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"),
    example: "1h30m",
};
pub(super) const DAYS: Form = Form {
    name: "days of the week",
    pattern: Some("^(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?$"),
    example: "mon-fri",
};
pub(super) const TIME_OF_DAY: Form = Form {
    name: "time of day",
    pattern: Some("^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"),
    example: "02:00",
};
pub(super) const SIZE: Form = Form {
    name: "size",
    pattern: Some("^[0-9]+ ?([KMGT]i?B|B)$"),
    example: "256 MiB",
};
pub(super) const RATE: Form = Form {
    name: "size a second",
    pattern: Some("^[0-9]+ ?([KMGT]i?B|B)/s$"),
    example: "10 MiB/s",
};
pub(super) const DISK: Form = Form {
    name: "block device",
    pattern: Some("^/dev/[A-Za-z0-9_.:+=@/-]+$"),
    example: "/dev/vda",
};
pub(super) const URL: Form = Form {
    name: "http URL",
    pattern: Some("^http://"),
    example: "http://127.0.0.1:8080/healthz",
};
pub(super) const UNIT: Form = Form {
    name: "unit of systemd",
    pattern: Some("^[A-Za-z0-9:_.@\\\\-]+\\.(service|socket|target|mount|timer|path)$"),
    example: "systemd-networkd.service",
};
pub(super) const HOST_PORT: Form = Form {
    name: "host and port",
    pattern: Some(":[0-9]+$"),
    example: "10.0.0.1:443",
};
pub(super) const LISTEN: Form = Form {
    name: "address and port",
    pattern: Some(":[0-9]+$"),
    example: "0.0.0.0:6443",
};
pub(super) const OWN_PORT: Form = Form {
    name: "port and path",
    pattern: Some("^:[0-9]+(/.*)?$"),
    example: ":80/healthz",
};
pub(super) const PEM: Form = Form {
    name: "PEM certificate",
    pattern: Some("-----BEGIN CERTIFICATE-----"),
    example: "-----BEGIN CERTIFICATE-----\\n…",
};
pub(super) const REGISTRY: Form = Form {
    name: "registry host",
    pattern: Some("^[A-Za-z0-9.:\\[\\]-]+$"),
    example: "registry.example.com:5000",
};
pub(super) const MIRROR: Form = Form {
    name: "URL of a registry",
    pattern: Some("^https?://[A-Za-z0-9.:\\[\\]-]+(/[a-z0-9._/-]*)?$"),
    example: "https://mirror.example.com",
};
pub(super) const LOGIN_NAME: Form = Form {
    name: "user of a registry",
    pattern: Some("^[^:\\s]+$"),
    example: "puller",
};
pub(super) const PROXY_URL: Form = Form {
    name: "URL of a proxy",
    pattern: Some("^https?://[A-Za-z0-9.:\\[\\]-]+/?$"),
    example: "http://proxy.example.com:3128",
};
pub(super) const NOT_PROXIED: Form = Form {
    name: "host, domain or subnet",
    pattern: Some("^[A-Za-z0-9.:/-]+$"),
    example: "10.0.0.0/8",
};
pub(super) const SUBNET: Form = Form {
    name: "subnet",
    pattern: Some("^[0-9a-fA-F.:]+/[0-9]+$"),
    example: "10.88.1.0/24",
};
pub(super) const PORT: Form = Form {
    name: "published port",
    pattern: Some(
        "^([0-9.]+:|\\[[0-9a-fA-F:.]+\\]:)?[0-9]+(-[0-9]+)?:[0-9]+(-[0-9]+)?(/(tcp|udp))?$",
    ),
    example: "8080:80/tcp",
};
pub(super) const VOLUME: Form = Form {
    name: "volume mount",
    pattern: Some("^[a-z0-9-]+:/.+$"),
    example: "data:/var/lib/data",
};
pub(super) const SYSCTL: Form = Form {
    name: "sysctl",
    pattern: Some("^(abi|debug|dev|fs|kernel|net|vm)[./][A-Za-z0-9_.:@/-]+$"),
    example: "net.ipv4.ip_forward",
};
pub(super) const SYSCTL_VALUE: Form = Form {
    name: "text",
    pattern: Some("^\\S(.*\\S)?$"),
    example: "1",
};
pub(super) const MODULE: Form = Form {
    name: "kernel module",
    pattern: Some("^[A-Za-z0-9_-]{1,55}$"),
    example: "br_netfilter",
};
pub(super) const INTERFACE: Form = Form {
    name: "interface",
    pattern: Some("^[A-Za-z0-9_.-]{1,15}$"),
    example: "eth0",
};
pub(super) const MAC: Form = Form {
    name: "hardware address",
    pattern: Some("^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$"),
    example: "52:54:00:12:34:56",
};
pub(super) const INTERFACE_ADDRESS: Form = Form {
    name: "address with prefix",
    pattern: Some("^[0-9a-fA-F.:]+/[0-9]+$"),
    example: "10.0.0.17/24",
};
pub(super) const SUBNET6: Form = Form {
    name: "IPv6 subnet",
    pattern: Some("^[0-9a-fA-F:]+/64$"),
    example: "fd00:88:1::/64",
};
pub(super) const ADDRESS: Form = Form {
    name: "address",
    pattern: Some("^[0-9a-fA-F.:]+$"),
    example: "10.0.0.1",
};
pub(super) const TIME_SERVER: Form = Form {
    name: "host",
    pattern: Some("^[A-Za-z0-9.:-]+$"),
    example: "ntp.example.com",
};
pub(super) const ADDRESS6: Form = Form {
    name: "IPv6 address",
    pattern: Some("^[0-9a-fA-F:.]+$"),
    example: "fd00:88:1::10",
};
pub(super) const ALIAS: Form = Form {
    name: "host name",
    pattern: Some("^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$"),
    example: "db",
};
pub(super) const ALLOW: Form = Form {
    name: "firewall rule",
    pattern: Some("^\\s*((tcp|udp)/[0-9]+(-[0-9]+)?|icmp)(\\s+from\\s+[0-9a-fA-F.:/]+)?\\s*$"),
    example: "tcp/6443 from 10.0.0.0/8",
};
pub(super) const PATH: Form = Form {
    name: "absolute path",
    pattern: Some("^/"),
    example: "/var/lib/app",
};
pub(super) const BIND: Form = Form {
    name: "bind mount",
    pattern: Some(
        "^/[^:]*:/[^:]+(:(ro|rw|r?private|r?slave|r?shared)(,(ro|rw|r?private|r?slave|r?shared))?)?$",
    ),
    example: "/mnt/media:/media:ro",
};
pub(super) const DEVICE: Form = Form {
    name: "device",
    pattern: Some(
        "^/dev/[^:]+(:/[^:]+)?(:[rwm]+)?$|^[A-Za-z][A-Za-z0-9_.-]*/[A-Za-z][A-Za-z0-9_.-]*=[A-Za-z0-9][A-Za-z0-9_.:-]*$",
    ),
    example: "/dev/ttyUSB0",
};
pub(super) const USER: Form = Form {
    name: "user",
    pattern: Some("^[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?$"),
    example: "1000:1000",
};
pub(super) const GROUP: Form = Form {
    name: "group",
    pattern: Some("^[A-Za-z0-9_.-]+$"),
    example: "video",
};
pub(super) const SIGNAL: Form = Form {
    name: "signal",
    pattern: Some("^SIG[A-Z0-9]+([+-][0-9]+)?$"),
    example: "SIGINT",
};
pub(super) const ULIMIT_NAME: Form = Form {
    name: "resource limit",
    pattern: Some("^[a-z]+$"),
    example: "nofile",
};
pub(super) const ULIMIT: Form = Form {
    name: "limit",
    pattern: Some("^([0-9]+|unlimited)(:([0-9]+|unlimited))?$"),
    example: "1024:4096",
};
pub(super) const OWN_SYSCTL: Form = Form {
    name: "sysctl of a namespace",
    pattern: Some("^(net|kernel|fs)\\."),
    example: "net.core.somaxconn",
};
pub(super) const MODE: Form = Form {
    name: "mode",
    pattern: Some("^0?[0-7]{3}$"),
    example: "0440",
};
pub(super) const UMASK: Form = Form {
    name: "umask",
    pattern: Some("^0?[0-7]{3}$"),
    example: "027",
};
pub(super) const HOST_ADDRESS: Form = Form {
    name: "address, or `host-gateway`",
    pattern: Some("^([0-9a-fA-F.:]+|host-gateway)$"),
    example: "10.0.0.5",
};
pub(super) const PLATFORM: Form = Form {
    name: "platform",
    pattern: Some("^linux(/[a-z0-9_.-]{1,32}){1,2}$"),
    example: "linux/386",
};
pub(super) const SECRET_TARGET: Form = Form {
    name: "environment variable or absolute path",
    pattern: Some("^[^=]+$"),
    example: "POSTGRES_PASSWORD",
};
pub(super) const CAPABILITY: Form = Form {
    name: "capability",
    pattern: Some("^[a-z_]+$"),
    example: "net_admin",
};
pub(super) const HOST_RIGHT: Form = Form {
    name: "part of the host",
    pattern: Some("^(network|pid|ipc|journal|dbus|devices)$"),
    example: "journal",
};
pub(super) const CPUSET: Form = Form {
    name: "list of processors",
    pattern: Some("^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$"),
    example: "0-3,5",
};
pub(super) const SCHEDULE: Form = Form {
    name: "schedule",
    pattern: None,
    example: "daily 03:00",
};
pub(super) const CONDITION: Form = Form {
    name: "condition",
    pattern: Some("^(started|healthy|completed)$"),
    example: "healthy",
};
pub(super) const JSON: Form = Form {
    name: "JSON object",
    pattern: Some("^\\s*\\{"),
    example: "{}",
};
pub(super) const NETWORK_MODE: Form = Form {
    name: "network mode",
    pattern: Some("^(none|container:[a-z0-9-]+)$"),
    example: "container:web",
};
pub(super) const DNS_OPTION: Form = Form {
    name: "resolver option",
    pattern: Some("^[a-z0-9-]+(:[0-9]+)?$"),
    example: "ndots:2",
};
pub(super) const IPC_MODE: Form = Form {
    name: "IPC mode",
    pattern: Some("^container:[a-z0-9-]+$"),
    example: "container:web",
};
