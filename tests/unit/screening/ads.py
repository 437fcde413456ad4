"""Ads for the tests of screening: complete, lawful ones of the regulated categories, and the means to bend them."""

from datetime import UTC, datetime

from consumer.messages import OcrLine
from schemas import AdSubmission, AdText, Category, CreativeKind, CreativeRef, Media
from schemas.submission import Advertiser, Certificate, Placement

DAY = datetime(2026, 6, 1, 8, tzinfo=UTC)

LAWFUL: dict[Category, tuple[str, ...]] = {
    Category.DRUG_OTC: (
        "小儿感冒颗粒 OTC",
        "疏风解表,清热解毒。用于小儿风热感冒,发热、咽痛。",
        "禁忌:对本品过敏者禁用。不良反应:尚不明确。",
        "请按药品说明书或者在药师指导下购买和使用",
        "京药广审(文)第281231-00123号",
    ),
    Category.HEALTH_FOOD: (
        "鱼油软胶囊",
        "有助于维持血脂健康水平",
        "适宜人群:血脂偏高者",
        "不适宜人群:少年儿童、孕产妇、高血压患者",
        "保健食品不是药物,不能代替药物治疗疾病",
        "沪食健广审(文)第281231-00045号",
    ),
    Category.MEDICAL_DEVICE: (
        "电子血压计,语音播报",
        "推荐给个人自用",
        "请仔细阅读产品说明书或者在医务人员的指导下购买和使用",
        "禁忌内容或者注意事项详见说明书",
        "粤械广审(文)第281231-00077号",
    ),
    Category.FSMP: (
        "全营养配方粉",
        "适用人群:进食受限人群",
        "不适用于非目标人群使用",
        "请在医生或者临床营养师指导下使用",
        "苏食特广审(文)第281231-00009号",
    ),
    Category.DRUG_RX: (
        "注射用头孢曲松钠",
        "本广告仅供医学药学专业人士阅读",
        "禁忌:对头孢菌素过敏者禁用。不良反应:详见说明书。",
        "浙药广审(文)第281231-00011号",
    ),
}


def submission(
    category: Category,
    body: str | None = None,
    *,
    title: str | None = None,
    pictures: tuple[str, ...] = (),
    media: Media = Media.INTERNET,
    certificates: tuple[Certificate, ...] = (),
    approval_number: str | None = None,
) -> AdSubmission:
    return AdSubmission(
        submission_id="ad-1",
        revision=0,
        advertiser=Advertiser(id="a-1", certificates=certificates),
        category=category,
        text=AdText(title=title, body=body),
        creatives=tuple(
            CreativeRef(asset_id=name, kind=CreativeKind.IMAGE, bucket="ad-creatives", key=name) for name in pictures
        ),
        approval_number=approval_number,
        placement=Placement(media=media),
        submitted_at=DAY,
    )


def read(*texts: str, asset_id: str = "p1", confidence: float = 0.99) -> tuple[OcrLine, ...]:
    """The lines as OCR would give them: below each other, each a tenth of the picture high."""
    return tuple(
        OcrLine(asset_id, text, confidence, (0.1, 0.1 * row, 0.9, 0.1 * row + 0.1)) for row, text in enumerate(texts)
    )
