"""A little copy for the tests: two trades, and of each role what the generator needs."""

from consumer.evaluation.copy import Copy, CopySet, Part, Phrase, Product, Role, Scene
from schemas import Category

OTC = (Category.DRUG_OTC,)
FOOD = (Category.FOOD,)


def phrase(id_: str, role: Role, categories: tuple[Category, ...], text: str, **more) -> Phrase:
    return Phrase(id_, more.pop("set", CopySet.A), more.pop("part", Part.TUNE), role, categories, text, **more)


COPY = Copy(
    phrases=(
        phrase("v1", Role.VIOLATION, OTC, "{product},三天根治老胃病", rules=("M01",), quote="三天根治"),
        phrase("v2", Role.VIOLATION, OTC, "总治愈率高达九成八", rules=("M02",), quote="总治愈率高达九成八"),
        phrase("v3", Role.VIOLATION, FOOD, "全国最好吃的饼干", rules=("G01",), quote="最好吃"),
        phrase("v4", Role.VIOLATION, FOOD, "一天两片降血压", rules=("G08",), quote="降血压"),
        phrase("v5", Role.VIOLATION, OTC, "请看盒内说明", rules=("D03",), quote="请看盒内说明"),
        phrase("t1", Role.TRAP, FOOD, "最佳食用温度为常温", near=("G01",)),
        phrase("t2", Role.TRAP, OTC, "如未治愈请及时就医", near=("M01",)),
        phrase("c1", Role.CLEAN, OTC, "{product},{line}"),
        phrase("c2", Role.CLEAN, FOOD, "{brand}饼干,独立小包"),
        phrase("c3", Role.CLEAN, FOOD, "配料:小麦粉、鸡蛋、白砂糖"),
        phrase("n1", Role.NOTICE, OTC, "请按药品说明书或者在药师指导下购买和使用", rules=("D03",)),
        phrase("n2", Role.NOTICE, OTC, "禁忌:孕妇禁用。不良反应:尚不明确。", rules=("D04",)),
        phrase("n3", Role.NOTICE, OTC, "京药广审(文)第281231-00123号", rules=("M12",)),
        phrase("b1", Role.VIOLATION, OTC, "听他的,准没错", rules=("M04",), set=CopySet.B, scene=Scene.DOCTOR),
    ),
    products=(
        Product(Category.DRUG_OTC, "清宁", "清宁胃舒片", "用于胃酸过多引起的胃部不适"),
        Product(Category.FOOD, "麦田", "麦田鸡蛋饼干", "每袋120克"),
    ),
)
