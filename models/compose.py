"""The finished picture: the product, sharp, on the generated background."""

from PIL import Image, ImageChops, ImageFilter, ImageOps

GROUND = 0.87
"""Height (share of the picture) at which the product stands."""
MAX_WIDTH, MAX_HEIGHT = 0.60, 0.58


def place_cutout(cutout: Image.Image, size: int) -> tuple[int, int, int, int]:
    """Left, top, width and height in pixels of ``cutout`` on a square picture of ``size``."""
    scale = min(MAX_WIDTH * size / cutout.width, MAX_HEIGHT * size / cutout.height)
    width = max(1, round(cutout.width * scale))
    height = max(1, round(cutout.height * scale))
    return (size - width) // 2, round(GROUND * size) - height, width, height


def cutout_layer(cutout: Image.Image, size: int) -> Image.Image:
    """The cutout at its place on a transparent square of ``size`` pixels (RGBA)."""
    left, top, width, height = place_cutout(cutout, size)
    layer = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    resized = cutout.convert("RGBA").resize((width, height), Image.Resampling.LANCZOS)
    layer.paste(resized, (left, top))
    return layer


def on_white(cutout: Image.Image, size: int) -> Image.Image:
    """The cutout at its place on plain white (RGB): input of the foreground encoder."""
    white = Image.new("RGBA", (size, size), (255, 255, 255, 255))
    return Image.alpha_composite(white, cutout_layer(cutout, size)).convert("RGB")


def cast_shadow(background: Image.Image, cutout: Image.Image, *, depth: float) -> Image.Image:
    """Darken ``background`` where a product standing on it takes the light away.

    ``depth`` is the height of the shadow's ellipse as a share of the picture: small is a
    tight contact shadow, large a soft pool. Returns an RGB picture of the same size.
    """
    size = background.width
    alpha = cutout_layer(cutout, size).getchannel("A")
    bottom = alpha.resize((size, 1), Image.Resampling.BOX)
    strip = bottom.resize((size, max(2, round(depth * size))))
    mask = Image.new("L", (size, size), 0)
    mask.paste(strip, (0, round(GROUND * size) - strip.height // 2))
    spread = max(1.0, depth * size * 0.55)
    mask = mask.filter(ImageFilter.GaussianBlur(spread)).point(lambda v: min(150, v * 2))
    shade = Image.merge("RGB", [ImageChops.invert(mask)] * 3)
    return ImageChops.multiply(background.convert("RGB"), shade)


def compose_ad(background: Image.Image, cutout: Image.Image, *, size: int = 512) -> Image.Image:
    """Upscale the background, lay a contact shadow, paste the cutout at full sharpness.

    Args:
        background: generated picture, RGB, square, any size.
        cutout: product with transparency (RGBA), cropped to its content.
        size: side of the finished picture in pixels.

    Returns:
        RGB picture of ``size`` x ``size`` pixels.
    """
    large = background.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    shaded = cast_shadow(large, cutout, depth=0.035).convert("RGBA")
    return Image.alpha_composite(shaded, cutout_layer(cutout, size)).convert("RGB")


def show_whole(picture: Image.Image, *, size: int = 512) -> Image.Image:
    """A picture that is no cutout, whole, on a square ground that goes on in its colours.

    Args:
        picture: of any size and shape; what is transparent of it becomes white.
        size: side of the result in pixels.

    Returns:
        RGB picture of ``size`` x ``size`` pixels.
    """
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    flat = Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    inner = ImageOps.contain(flat, (size, size), Image.Resampling.LANCZOS)
    if inner.size == (size, size):
        return inner
    ground = ImageOps.fit(flat, (size, size)).filter(ImageFilter.GaussianBlur(size / 16))
    ground.paste(inner, ((size - inner.width) // 2, (size - inner.height) // 2))
    return ground
