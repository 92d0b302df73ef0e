"""What citizens are told besides answers: every sentence in one place, in Simplified Chinese."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.store.cases import CaseQuestion
from bot.store.questions import Ticket

WELCOME = (
    "您好，这里是 12345 的自动问答，能答不动产登记、12345 怎么受理、2020 到 2022 年防疫规定这几方面的事。\n"
    "一句话说您要办的事和所在的城市就行。答不准的会交给工作人员，给您编号，在这里答复。\n"
    "手机号、身份证号等会先抹去再保存，详见 /privacy。急事请拨 12345，火警 119，警情 110，急救 120。"
)
WELCOME_HERE = (
    "您好，这里是 12345 的自动问答，能答不动产登记、12345 怎么受理、2020 到 2022 年防疫规定这几方面的事。\n"
    "一句话说您要办的事和所在的城市就行。答不准的会交给工作人员，给您编号，在这一页答复。\n"
    "急事请拨 12345，火警 119，警情 110，急救 120。"
)
EXAMPLES_BELOW = "\n\n您也可以点一个例子试试："
HELP = (
    "直接打字提问，最好带上城市，例如「南京房产证能在网上办吗」。\n\n"
    "/topics 看我能答哪些事\n"
    "/city 记住或更换您的城市，例如 /city 镇江\n"
    "/status 看您的编号办到哪一步\n"
    "/human 把问题交给工作人员\n"
    "/script 简体、繁體或自动\n"
    "/privacy 您的信息怎么保存\n"
    "/forget 删除您的信息"
)
WHICH_TOPIC = "您想问哪一方面？"
WHICH_MATTER = "「{}」里我能答这些："
NO_TOPIC = "这一项已经没有了，请直接打字提问，或发 /topics 重新看。"
NOTHING_TO_HAND_OVER = "请先把要问的事打给我，或者写在命令后面，例如：/human 房产证上的名字写错了怎么改"
HANDED_OVER = "{}，已交给工作人员，编号 {}。{}；急事请拨 12345。"
ALL_RIGHT = "好的"
ALREADY_HANDED_OVER = "这个问题已经交给工作人员了，编号 {}。发 /status 看办到哪一步。"
OFFER_STAFF = "要把「{}」交给工作人员来答吗？也可以换个说法再问一次。"
OFFER_STAFF_AFTER_NONE = "都不是的话，可以换个说法再问一次，或者把「{}」交给工作人员来答。"
GLAD = "好的，谢谢您告诉我。"
LEFT_ALONE = "好的。还有要问的，请直接说。"
WHICH_CITY = "您在哪个城市？点一个，或者发「/city 城市名」。"
CITY_NOW = "我记着您在{}。要换就点一个，或者发「/city 城市名」。"
CITY_HERE = "我记着您在{}。"
CITY_KEPT = "好的，记住您在{}。"
CITY_GONE = "好的，城市已忘掉。"
NO_SUCH_CITY_HERE = "我不认识「{}」这个地方，请写市或县（区）的名字，例如镇江。"
NOTHING_WRITTEN = "请先写下您要问的事。"
NOTHING_TO_HAND_OVER_HERE = "请先写下要问的事，再点「转人工」。"
YOUR_RATING = "您的评价：{}。谢谢您告诉我。"
NO_SUCH_CITY = "我不认识「{}」这个地方，请写市或县（区）的名字，例如：/city 镇江"
WHICH_SCRIPT = "用哪种字答复您？"
SCRIPT_KEPT = "好的，以后用{}答复您。"
SCRIPT_AUTO = "好的，您用哪种字，我就用哪种字。"
PRIVACY = (
    "您的问题会保存下来，用来答复您和改进答复。保存前先抹去手机号、固定电话、身份证号、银行卡号、邮箱和车牌号，"
    "请不要发送姓名、住址等信息。\n"
    "问题原文和联系方式保存 {} 天，之后每晚自动清除，只留下计数。工作人员看得到问题，看不到您的账号名。\n"
    "发 /forget 可以马上删除。"
)
PRIVACY_HERE = (
    "您的问题会保存下来，用来答复您和改进答复。保存前先抹去手机号、固定电话、身份证号、银行卡号、邮箱和车牌号，"
    "请不要发送姓名、住址等信息。\n"
    "问题原文保存 {0} 天，之后每晚自动清除，只留下计数。这个浏览器里存有一个编号（Cookie），用来让您再来时看到答复，"
    "{0} 天后失效；换浏览器或清除它就看不到了。"
)
SURE_TO_FORGET = "会删除您问过的问题和记住的城市；工作人员还没答复的问题也会撤回，不再答复。确定删除吗？"
FORGOTTEN = "您的信息已经删除。再发消息就是重新开始。"
NOT_FORGOTTEN = "好的，没有删除。"
NO_TICKETS = "您没有交给工作人员的问题。"
TICKETS = "交给工作人员的问题："
STATES = {"new": "等待工作人员处理", "claimed": "工作人员正在处理", "withdrawn": "已撤回"}
UNDER_WAY, ANSWERED = "等待工作人员处理", "已答复"
ADMINS_ONLY = "这一步要管理员来做。"
NO_SUCH_PAGE = "没有这个页面。"
TOO_BIG = "内容太大，没有收下。"
NOT_LIKE_THIS = "这个请求看不懂，没有处理。"
UNAVAILABLE = "暂时处理不了，请过一会儿再试。急事请拨 12345。"
LINK_IS_OVER = "这个链接已经用过或过期了，请再要一个。"
TOO_MANY_TRIES = "试得太多了，请过一分钟再来。"
STAFF = "工作人员"
CITIZEN = "市民"
STAFF_ANSWER = "您问的「{}」（编号 {}），{}答复：\n{}"
DISPATCHED = "您问的「{}」（编号 {}）已转{}，预计{}前答复。"
WHY_NOT = "抱歉没有答好，已请工作人员重新处理。是哪里没答好？请直接写一句，我转给他们。"
TOLD_STAFF = "谢谢，已经转给工作人员，他们会在这里再答复您。"
TEXT_ONLY = "我只看得懂文字。请用一句话打字说您要办的事，最好带上城市。"
TOO_FAST = "您发得太快了，请过一分钟再发。前面的问题会照常答复。"
UNKNOWN_COMMAND = "没有这个命令。直接打字提问就行，/help 看说明。"
NOT_HANDLED = "这条消息我没能处理，已经记下来交给维护人员。请换个说法再问一次；急事请拨 12345。"
OLD_BUTTON = "这个按钮已经过期，请把问题再说一遍。"
NOT_YOURS = "这是别人问的，请您自己问一句。"

SATISFACTION = {"satisfied": "满意", "mostly": "基本满意", "unsatisfied": "不满意"}
OUTDATED = "答复过时了"
SOLVED, UNSOLVED, TO_STAFF, NO_THANKS = "解决了", "没解决", "转人工", "不用了"
FORGET, KEEP = "确定删除", "不删"
FORGET_CITY = "忘掉城市"
SCRIPTS = {"": "自动", "Hans": "简体", "Hant": "繁體"}

COMMANDS = {
    "start": "我能做什么",
    "topics": "看能答哪些事",
    "city": "记住或更换城市",
    "status": "我的编号办到哪一步",
    "human": "把问题交给工作人员",
    "script": "简体、繁體或自动",
    "privacy": "您的信息怎么保存",
    "forget": "删除我的信息",
    "help": "怎么用",
}


def status(tickets: Sequence[Ticket], zone: ZoneInfo) -> str:
    """A citizen's tickets, one a line."""
    if not tickets:
        return NO_TICKETS
    return "\n".join([TICKETS, *(_ticket(t, zone) for t in tickets)])


def ticket_state(ticket: Ticket) -> str:
    """How far staff are with it."""
    return ANSWERED if ticket.is_settled else STATES.get(ticket.state, UNDER_WAY)


def _ticket(ticket: Ticket, zone: ZoneInfo) -> str:
    asked = _day(ticket.asked_at.astimezone(zone))
    words = shortened(ticket.text or "内容已删除")
    return f"编号 {ticket.number}（{asked}）{words}：{ticket_state(ticket)}"


def shortened(text: str, most: int = 30) -> str:
    """Enough of a question to know it again."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def moment(at: datetime) -> str:
    """12 月 1 日 9:00"""
    return f" {_day(at)} {at.hour}:{at.minute:02}"


def _day(moment: datetime) -> str:
    return f"{moment.month} 月 {moment.day} 日"


# ---- for staff

OUTCOMES = {
    "answered": "直接答复",
    "by_choice": "选后答复",
    "asked_back": "反问未续",
    "unanswered": "未能答复",
    "urgent": "紧急指引",
    "smalltalk": "问候闲谈",
}
ENDED = {
    "answered": "已答复",
    "choices": "给了选项",
    "ask_region": "反问地区",
    "unanswered": "未能答复",
    "urgent": "紧急指引",
    "smalltalk": "问候闲谈",
}
"""How one question ended; OUTCOMES counts those that belong together as one."""
RATINGS = {"solved": SOLVED, "unsolved": UNSOLVED}
CLAIM, ANSWER, DISPATCH, IGNORE, REOPEN = "认领", "答复", "转办", "忽略", "重新处理"
WHY_IGNORED = ("不用答", "垃圾信息")
CONSOLE_IN_PRIVATE = "登录链接谁点谁进，请私聊我发 /console。"
CONSOLE_ON_THE_MACHINE = "没有设置 web.public_url，手机上打不开工作台；请在服务器上运行 hotline link --as 姓名。"
DUE_SOON, OVERDUE = "快到期", "已超时"
SEND, CALL_OFF, BACK = "发送", "不发", "返回"
LESSONS = {"phrase": "加问法", "intent": "新意图", "refuse": "这类不答"}
"""What the bot can learn from a case."""
TEACH, TAKE_UP, TURN_DOWN = "教机器人", "上线", "不采纳"
CASE_STATES = {
    "new": "待认领",
    "claimed": "已认领",
    "answered": "已答复",
    "closed": "已办结",
    "ignored": "已忽略",
    "merged": "已并单",
    "withdrawn": "已撤回",
}
REASONS = {
    "no_match": "答不准",
    "no_region": "没有当地资料",
    "none_of_these": "选项都不是",
    "unsolved": "没解决",
    "outdated": "答复过时",
    "human": "要找人工",
    "split": "拆出",
}
DEEDS = {
    "opened": "受理",
    "claimed": "认领",
    "assigned": "派单",
    "sent_back": "退单",
    "noted": "备注",
    "answered": "答复",
    "ignored": "忽略",
    "came_back": "重新出现",
    "merged": "并单",
    "split": "拆单",
    "reopened": "重新处理",
    "rated": "评价",
    "withdrawn": "撤回",
    "closed": "办结",
}
WAITS_TO_BE_SEEN = "待查看"
"""Queued for a web page: it is delivered once that is opened."""
DELIVERIES = {"queued": "待发", "sent": "已送达", "blocked": "对方已屏蔽", "failed": "没送到"}


def delivery(question: CaseQuestion) -> str:
    """Where the answer to one question stands."""
    if question.delivery == "queued" and question.channel == "web":
        return WAITS_TO_BE_SEEN
    return DELIVERIES.get(question.delivery, "")
