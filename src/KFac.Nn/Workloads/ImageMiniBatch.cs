using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A mini-batch of images: inputs are the images, targets their labels, or the images themselves.</summary>
internal sealed class ImageMiniBatch : MiniBatch
{
    private readonly ImageWorkload _workload;
    private readonly ImageProblem _problem;
    private readonly ImageBatch _images;
    private readonly PhiloxGenerator _random = new(default);

    public ImageMiniBatch(DeviceStream stream, ImageWorkload workload, ImageProblem problem, int capacity)
    {
        _workload = workload;
        _problem = problem;
        _images = new ImageBatch(stream, capacity, problem.Data.Train.PixelCount, workload.Layout == ImageLayout.Pixels);
    }

    public override int Count => _images.Count;

    public override bool IsRepeatable => true;

    public override Targets Targets =>
        _workload.Task == ImageTask.Classification ? Targets.Of(_images.Labels) : Targets.Of(_images.Inputs);

    public override void FillForTraining(ReadOnlySpan<int> examples, PhiloxKey key)
    {
        if (_workload.Augmentation is ImageAugmentation augmentation)
        {
            _random.Restart(key);
            _images.Fill(_problem.Data.Train, examples, augmentation, _random);
        }
        else
        {
            _images.Fill(_problem.Data.Train, examples);
        }
    }

    public override void Fill(DataPart part, int start, int count) => _images.Fill(
        _problem.SetOf(part) ?? throw new ArgumentException($"There are no {part} images.", nameof(part)), start, count);

    public override Variable Forward(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        MatrixView<float> images = _images.Inputs;
        ImageSet set = _problem.Data.Train;
        return _workload.Layout == ImageLayout.Flat
            ? network.Forward(images, TensorShape.Of(Count, set.PixelCount))
            : network.Forward(
                images.AsVector().AsMatrix(Count * set.Height * set.Width, set.Channels),
                TensorShape.Of(Count, set.Height, set.Width, set.Channels));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _images.Dispose();
        }

        base.Dispose(disposing);
    }
}
