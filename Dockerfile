# The page in a container, on the CPU:
#   docker build -t captioner . && docker run --rm -p 7860:7860 captioner
FROM python:3.12-slim

RUN useradd --create-home --uid 1000 visitor
WORKDIR /home/visitor/captioner

# First what seldom changes, so that a change of the code does not install it anew.
COPY requirements.txt ./
# Torch without its gigabytes for graphics cards: the wheels there have the higher version.
RUN pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
    -r requirements.txt

COPY app.py ./
COPY captioner/ captioner/
COPY assets/ assets/

USER visitor
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD \
    ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/')"]
CMD ["python", "app.py", "--host", "0.0.0.0"]
