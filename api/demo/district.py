"""The district's registries: 44 units in three tiers, 92 windows, 600 items, 182 cameras, sites, people and rosters.

Promise: the same seed gives the same district, whatever the scale. It goes into the log as any change of a registry
does: one person proposes, another confirms. Numbers are those of the source; all names of people are invented, and
time limits are the source's where it gives them, samples elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any, Final

UNITS: Final = 44
WINDOWS: Final = 92
ITEMS: Final = 600
CAMERAS: Final = 182
HAZARDOUS: Final = 26
CROWDED: Final = 61
_PER_RECORDER: Final = 8
_RETENTION_DAYS: Final = 45
_EXTENDED_HOURS: Final = "17:30-20:00"

# code, name, tier, centre, parent, zone, windows, what it handles
_UNITS: Final[tuple[tuple[str, str, str, str, str | None, str | None, int, str], ...]] = (
    ("police", "公安分局", "district", "social", None, "social", 6, "户口迁移 居住证 身份证 出入境证件 暂住登记"),
    ("social", "社会保险管理中心", "district", "social", None, "social", 5, "养老保险 医疗保险 失业保险 工伤保险"),
    (
        "labour",
        "人力资源和社会保障局",
        "district",
        "social",
        None,
        "social",
        4,
        "就业登记 劳动合同备案 职业培训 人才引进",
    ),
    ("civil", "民政局", "district", "social", None, "social", 4, "婚姻登记 社会组织登记 低保 优抚 地名"),
    ("subsidies", "社会救助管理中心", "district", "social", None, "social", 1, "临时救助 医疗救助"),
    ("education", "教育局", "district", "social", None, "social", 3, "新海沧人子女入学 教师资格 民办学校"),
    ("health", "卫生和计划生育局", "district", "social", None, "social", 3, "卫生许可 生育服务 医师执业 医疗机构"),
    (
        "market",
        "工商行政管理局",
        "district",
        "administrative",
        None,
        "economic",
        5,
        "个体工商户 企业登记 股权出质 名称核准",
    ),
    (
        "statetax",
        "国家税务局",
        "district",
        "administrative",
        None,
        "economic",
        5,
        "税务登记 发票领购 出口退税 涉税证明",
    ),
    (
        "localtax",
        "地方税务局",
        "district",
        "administrative",
        None,
        "economic",
        4,
        "契税申报 完税证明 房产税 土地增值税",
    ),
    ("quality", "质量技术监督局", "district", "administrative", None, "economic", 2, "组织机构代码 特种设备 计量器具"),
    ("food", "食品药品监督管理局", "district", "administrative", None, "economic", 2, "餐饮服务许可 药品经营 食品流通"),
    (
        "commerce",
        "商务局",
        "district",
        "administrative",
        None,
        "economic",
        2,
        "外商投资备案 对外贸易经营者 台资企业绿色通道",
    ),
    ("port", "口岸管理办公室", "district", "administrative", None, "economic", 1, "口岸政策咨询 港口作业"),
    ("science", "科学技术局", "district", "administrative", None, "economic", 1, "高新技术企业 专利资助"),
    ("economy", "经济贸易发展局", "district", "administrative", None, "economic", 1, "企业技术改造 节能审查"),
    ("env", "环境保护局", "district", "administrative", None, "construction", 3, "环评审批 排污许可 夜间施工"),
    (
        "construction",
        "建设局",
        "district",
        "administrative",
        None,
        "construction",
        3,
        "施工许可 竣工备案 招标备案 燃气经营",
    ),
    (
        "land",
        "国土资源分局",
        "district",
        "administrative",
        None,
        "construction",
        4,
        "土地登记 房屋产权 抵押登记 用地预审",
    ),
    ("planning", "规划分局", "district", "administrative", None, "construction", 2, "选址意见 用地规划 工程规划"),
    ("fire", "公安消防大队", "district", "administrative", None, "construction", 1, "消防设计审核 消防安全检查"),
    (
        "cityadmin",
        "城市管理行政执法局",
        "district",
        "administrative",
        None,
        "construction",
        2,
        "占道经营 户外广告 渣土运输",
    ),
    ("agriculture", "农林水利局", "district", "administrative", None, "construction", 1, "林木采伐 取水许可 动物防疫"),
    ("transport", "交通局", "district", "administrative", None, "construction", 2, "道路运输 车辆年审 超限运输"),
    ("safety", "安全生产监督管理局", "district", "administrative", None, "construction", 1, "危险化学品经营 安全设施"),
    ("water", "自来水公司", "district", "social", None, "social", 1, "用水过户 新装用水"),
    ("power", "供电公司", "district", "social", None, "social", 1, "用电过户 新装用电"),
    ("gas", "燃气公司", "district", "social", None, "social", 1, "用气过户 新装用气"),
    (
        "trading",
        "公共资源交易中心",
        "district",
        "administrative",
        None,
        "public_resources",
        2,
        "交易登记 保证金退还 信息发布",
    ),
    ("justice", "司法局", "district", "assistance", None, "social", 1, "法律援助 公证"),
    ("disabled", "残疾人联合会", "district", "assistance", None, "social", 1, "残疾人证 康复补助"),
    ("mediation", "矛盾调解中心", "district", "mediation", None, None, 0, ""),
    ("emergency", "应急中心", "district", "emergency", None, None, 0, ""),
    ("haicang", "海沧街道便民服务中心", "town", "social", None, "social", 3, "居住登记 流动人口计生 社保代办"),
    ("xinyang", "新阳街道便民服务中心", "town", "social", None, "social", 3, "居住登记 流动人口计生 社保代办"),
    ("songyu", "嵩屿街道便民服务中心", "town", "social", None, "social", 3, "居住登记 流动人口计生 社保代办"),
    ("dongfu", "东孚镇便民服务中心", "town", "social", None, "social", 3, "居住登记 涉农补贴 社保代办"),
    ("wanzai", "万再调解工作室", "town", "mediation", "dongfu", None, 0, ""),
    ("shuimu", "水木调解工作室", "town", "mediation", "xinyang", None, 0, ""),
    ("xingwang", "兴旺社区代办点", "village", "social", "xinyang", "social", 1, "代办服务"),
    ("xiayang", "霞阳社区代办点", "village", "social", "xinyang", "social", 1, "代办服务"),
    ("weilai", "未来海岸社区代办点", "village", "social", "songyu", "social", 1, "代办服务"),
    ("jinli", "锦里村代办点", "village", "social", "haicang", "social", 1, "代办服务"),
    ("lianhua", "莲花村代办点", "village", "social", "dongfu", "social", 1, "代办服务"),
)
_ACTS: Final = ("办理", "变更", "注销", "补证", "延期", "年审", "查询证明", "备案")
# Statutory limits (working days) and what the centre promises of them: never over 35 %, as the source says.
_LIMITS: Final = ((20, 7), (20, 6), (15, 5), (30, 10), (10, 3), (45, 15), (60, 20))
_CLASSES: Final = {"口岸": "port_policy", "港口": "port_policy", "台资": "taiwan_firm"}
_AMENITIES: Final = ("waiting_area", "nursing_room", "medicine_box", "free_network", "help_desk")
_NETWORKS: Final = ("video", "digital_fire", "hazardous_chemicals", "rescue")
_FAMILY: Final = "陈林黄张李王吴刘蔡杨许郑谢郭洪邱曾廖赖徐周叶苏庄吕江何罗高肖潘"
_GIVEN: Final = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红玲建国志辉文雅婷晓东海燕宇浩欣怡子涵梓"

# Actor → roles, unit; those that the hall needs beside the units' own people.
_OTHERS: Final[Mapping[str, tuple[tuple[str, ...], str | None]]] = {
    "staff/catalogue-1": (("catalogue_admin",), None),
    "staff/catalogue-2": (("catalogue_admin",), None),
    "staff/complaints-1": (("complaint_head",), None),
    "staff/complaints-2": (("complaint_head",), None),
    "staff/investigator-1": (("investigator",), None),
    "staff/investigator-2": (("investigator",), None),
    "staff/supervisor-1": (("supervisor",), None),
    "staff/supervisor-2": (("supervisor",), None),
    "staff/custodian-1": (("video_custodian",), None),
    "staff/custodian-2": (("video_custodian",), None),
    "staff/privacy-1": (("privacy_officer",), None),
    "staff/host-1": (("host",), None),
    "staff/host-2": (("host",), None),
    "staff/mediator-1": (("mediator",), "mediation"),
    "staff/mediator-2": (("mediator",), "wanzai"),
    "staff/mediator-3": (("mediator",), "shuimu"),
    "staff/mediator-4": (("mediator",), "mediation"),
    "staff/help-1": (("help_officer",), None),
    "staff/help-2": (("help_officer",), None),
    "staff/help-3": (("help_officer",), None),
    "staff/duty-1": (("duty_officer",), "emergency"),
    "staff/duty-2": (("duty_officer",), "emergency"),
    "staff/duty-3": (("duty_officer",), "emergency"),
    "staff/trading-1": (("trading_officer",), "trading"),
    "staff/trading-2": (("trading_officer",), "trading"),
    "staff/enterprise-1": (("enterprise_officer",), None),
    "staff/enterprise-2": (("enterprise_officer",), None),
    "staff/dispatcher-1": (("tier_dispatcher",), None),
    "staff/dispatcher-2": (("tier_dispatcher",), None),
    "staff/proxy-1": (("proxy",), None),
    "staff/portal": (("citizen",), None),
    **{
        f"staff/grid-{unit}-{n}": (("grid_worker",), unit)
        for unit in ("haicang", "xinyang", "songyu", "dongfu")
        for n in (1, 2)
    },
}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit; ``windows`` by code."""

    code: str
    name: str
    tier: str
    centre: str
    parent: str | None
    zone: str | None
    windows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """An item; ``days``: what is promised, None where it is handled on the spot; ``weight``: how often it is asked."""

    code: str
    unit: str
    data: Mapping[str, Any]
    days: int | None
    weight: int

    @property
    def on_the_spot(self) -> bool:
        """Whether the window closes it."""
        return self.days is None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works here."""

    actor: str
    name: str
    roles: tuple[str, ...]
    unit: str | None
    windows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class District:
    """All that is in the registries."""

    units: Mapping[str, Unit]
    windows: Mapping[str, str]  # window → unit
    items: Mapping[str, Item]
    cameras: Mapping[str, Mapping[str, Any]]
    sites: Mapping[str, Mapping[str, Any]]
    people: Mapping[str, Person]
    rosters: tuple[tuple[str, date, tuple[str, ...], str], ...]
    handed_down: tuple[tuple[str, str, str], ...]  # item, unit, tier

    def clerk_of(self, window: str) -> str:
        """The actor who works at a window."""
        return f"staff/clerk-{window}"

    def covering(self, window: str) -> list[str]:
        """The cameras that see a window."""
        return [code for code, data in self.cameras.items() if window in data["windows"]]


def person_name(rng: Random) -> str:
    """An invented name."""
    return rng.choice(_FAMILY) + "".join(rng.choice(_GIVEN) for _ in range(rng.choice((1, 2, 2))))


def district(rng: Random, *, first: date, last: date) -> District:
    """The district that opens on ``first``; rosters of extended hours are set up to ``last``."""
    units: dict[str, Unit] = {}
    windows: dict[str, str] = {}
    for code, name, tier, centre, parent, zone, count, _ in _UNITS:
        codes = tuple(f"{code}-{number}" for number in range(1, count + 1))
        units[code] = Unit(code, name, tier, centre, parent, zone, codes)
        windows |= dict.fromkeys(codes, code)
    people = _people(rng, units)
    items = _items(rng, units)
    assert (len(units), len(windows), len(items)) == (UNITS, WINDOWS, ITEMS)
    sites = _sites(units)
    return District(
        units=units,
        windows=windows,
        items=items,
        cameras=_cameras(units),
        sites=sites,
        people=people,
        rosters=tuple(_rosters(first, last)),
        handed_down=tuple(
            (code, town, "town")
            for town in ("haicang", "xinyang")
            for code in ("civil-3-1", "social-1-1", "labour-1-1")
        ),
    )


def _people(rng: Random, units: Mapping[str, Unit]) -> dict[str, Person]:
    found: dict[str, Person] = {}

    def add(actor: str, roles: tuple[str, ...], unit: str | None, windows: tuple[str, ...] = ()) -> None:
        found[actor] = Person(actor, person_name(rng), roles, unit, windows)

    for actor, (roles, unit) in _OTHERS.items():
        add(actor, roles, unit)
    for of in units.values():
        if not of.windows:
            continue
        for window in of.windows:
            add(f"staff/clerk-{window}", ("window_clerk",), of.code, (window,))
        add(f"staff/review-{of.code}", ("reviewer",), of.code)
        add(f"staff/approve-{of.code}", ("approver",), of.code)
        add(f"staff/head-{of.code}", ("unit_head",), of.code)
    return found


def _items(rng: Random, units: Mapping[str, Unit]) -> dict[str, Item]:
    wanted = [
        (unit, subject, act, number, act_number)
        for act_number, act in enumerate(_ACTS, start=1)
        for unit, *_, subjects in _UNITS
        for number, subject in enumerate(subjects.split(), start=1)
    ]
    found: dict[str, Item] = {}
    for name, statutory, promise in (("登记表", 15, 3), ("报告表", 30, 7), ("报告书", 45, 10)):
        code = f"env-eia-{promise}"
        found[code] = _promised(code, "env", f"环境影响评价审批({name})", units["env"], statutory, promise, weight=6)
    stories = (("subsidy", "subsidies"), ("title", "land"), ("water", "water"), ("power", "power"), ("gas", "gas"))
    names = {
        "subsidy": "困难群众补助",
        "title": "二手房产权变更",
        "water": "用水过户",
        "power": "用电过户",
        "gas": "用气过户",
    }
    for code, unit in stories:
        found[code] = _spot(code, unit, names[code], units[unit], weight=2)
    for place, (unit, subject, act, number, act_number) in enumerate(wanted):
        if len(found) == ITEMS:
            break
        code, name = f"{unit}-{number}-{act_number}", f"{subject}{act}"
        weight = max(1, round(24 / (1 + place % 23)))
        # Papers that are only checked and stamped are closed at the window; what must be looked into is promised.
        if act in ("办理", "延期") and rng.random() < 0.75 and units[unit].tier == "district":
            statutory, promise = _LIMITS[place % len(_LIMITS)]
            found[code] = _promised(code, unit, name, units[unit], statutory, promise, weight=weight)
        else:
            found[code] = _spot(code, unit, name, units[unit], weight=weight)
    return found


def _promised(code: str, unit: str, name: str, of: Unit, statutory: int, promise: int, *, weight: int) -> Item:
    reasons = ("site_visit", "technical_review", "collective_discussion", "expert_argument", "hearing")
    data = _classed(name) | {
        "name": name,
        "unit": unit,
        "centre": of.centre,
        "zone": of.zone,
        "handling": "promise",
        "back_office": [reasons[(statutory + promise + len(name)) % len(reasons)]],
        "steps": ["examine"],
        "clocks": {
            "statutory": {"limit": statutory, "extend": {"days": 10, "times": 1}},
            "joint": {"limit": 45, "extend": {"days": 15, "times": 1}},
            "promise": {"limit": promise, "pauses": ["missing_document", "site_visit"]},
            "gap_notice": {"limit": 5},
            "branch": {"limit": 20},
            "step": {"limit": 5},
            "delivery": {"limit": 10},
        },
    }
    return Item(code, unit, data, promise, weight)


def _classed(name: str) -> dict[str, Any]:
    return next(({"class_": code} for word, code in _CLASSES.items() if word in name), {})


def _spot(code: str, unit: str, name: str, of: Unit, *, weight: int) -> Item:
    data = _classed(name) | {
        "name": name,
        "unit": unit,
        "centre": of.centre,
        "zone": of.zone,
        "handling": "on_the_spot",
        "clocks": {"statutory": {"limit": 20}},
    }
    return Item(code, unit, data, None, weight)


def _sites(units: Mapping[str, Unit]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {
        "hall": {
            "name": "海沧区行政服务中心",
            "kind": "service_hall",
            "unit": "emergency",
            "tier": "district",
            "amenities": _AMENITIES,
        }
    }
    for unit in units.values():
        if unit.tier != "district" and unit.windows:
            kind = "service_hall" if unit.tier == "town" else "service_point"
            found[unit.code] = {
                "name": unit.name,
                "kind": kind,
                "unit": unit.code,
                "tier": unit.tier,
                "amenities": _AMENITIES[:1],
            }
    for number in range(1, HAZARDOUS + 1):
        kind = "fuel" if number <= 12 else "hazardous_chemicals"
        found[f"hazard-{number:02}"] = {
            "name": f"{'加油站' if kind == 'fuel' else '危化品企业'}{number:02}",
            "kind": kind,
            "unit": "safety",
            "tier": "district",
            "networks": _NETWORKS,
            "inspect_every_days": 60,
        }
    for number in range(1, CROWDED + 1):
        found[f"crowd-{number:02}"] = {
            "name": f"人员密集场所{number:02}",
            "kind": "crowded_place",
            "unit": "fire",
            "tier": "district",
            "networks": _NETWORKS[:2],
            "inspect_every_days": 90,
        }
    return found


def _cameras(units: Mapping[str, Unit]) -> dict[str, dict[str, Any]]:
    wanted: list[tuple[str, str, tuple[str, ...], str]] = []
    for unit in units.values():
        site = "hall" if unit.tier == "district" else unit.code
        # Where two windows stand side by side one camera looks at both from behind, one at each from before.
        wanted += [
            (f"{unit.name}{window.rpartition('-')[2]}号窗口", "counter", (window,), site) for window in unit.windows
        ]
    for unit in units.values():
        site = "hall" if unit.tier == "district" else unit.code
        pairs = [unit.windows[low : low + 2] for low in range(0, len(unit.windows), 2)]
        wanted += [(f"{unit.name}后台", "counter", tuple(pair), site) for pair in pairs]
    number = 0
    while len(wanted) < CAMERAS:
        number += 1
        place = ("hall", "corridor", "outside")[number % 3]
        wanted.append((f"大厅公共区域{number:02}", place, (), "hall"))
    return {
        f"cam-{number:03}": {
            "name": name,
            "recorder": f"recorder/nvr-{(number - 1) // _PER_RECORDER + 1:02}",
            "windows": list(covered),
            "place": place,
            "retention_days": _RETENTION_DAYS,
            "site": site,
            "signage": "notice-2013-01",
        }
        for number, (name, place, covered, site) in enumerate(wanted[:CAMERAS], start=1)
    }


def _rosters(first: date, last: date) -> Iterator[tuple[str, date, tuple[str, ...], str]]:
    day = first
    while day <= last:
        if day.weekday() == 5:  # on Saturdays some windows keep open for those who work during the week
            for window in ("police-1", "social-1", "market-1"):
                yield window, day, (f"staff/clerk-{window}",), "extended"
        day += timedelta(days=1)
