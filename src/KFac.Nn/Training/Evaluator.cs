using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Measures a network on whole image sets, batch by batch.</summary>
internal sealed class Evaluator : IDisposable
{
    private const int LargestBatch = 1000;

    private readonly DeviceStream _stream;
    private readonly Network _network;
    private readonly WorkloadTask _task;
    private readonly ImageSet _train;
    private readonly ImageSet _validation;
    private readonly ImageBatch _batch;
    private readonly Arena _scratch;

    /// <param name="trainCount">How many of the first training images are measured.</param>
    public Evaluator(DeviceStream stream, Network network, WorkloadTask task, ImageData data, int trainCount)
    {
        _stream = stream;
        _network = network;
        _task = task;
        _train = data.Train.Slice(0, trainCount);
        _validation = data.Validation;
        _batch = new ImageBatch(stream, Math.Min(LargestBatch, Math.Max(trainCount, _validation.Count)), _train.PixelCount);
        _scratch = new Arena(stream.Device);
    }

    public Metrics Measure()
    {
        _network.Training = false;
        (double trainLoss, double train) = Measure(_train);
        (double validationLoss, double validation) = Measure(_validation);
        _network.Training = true;
        return _task == WorkloadTask.Classification
            ? new Metrics(trainLoss, validationLoss, train, validation, null, null)
            : new Metrics(trainLoss, validationLoss, null, null, train, validation);
    }

    public void Dispose()
    {
        _scratch.Dispose();
        _batch.Dispose();
    }

    /// <summary>Averages over all images of a set; the second number is accuracy or squared error.</summary>
    private (double Loss, double Second) Measure(ImageSet images)
    {
        double loss = 0;
        double second = 0;
        for (int start = 0; start < images.Count; start += LargestBatch)
        {
            _batch.Fill(images, start, Math.Min(LargestBatch, images.Count - start));
            Variable output = _network.Forward(_batch.Inputs, TensorShape.Of(_batch.Count, images.PixelCount));
            _network.SetTargets(TrainingStep.TargetsOf(_task, _batch));
            loss += _network.MeanLoss() * _batch.Count;
            second += _task == WorkloadTask.Classification ? _network.CorrectCount() : SquaredError(output.Value);
        }

        return (loss / images.Count, second / images.Count);
    }

    private double SquaredError(MatrixView<float> logits)
    {
        _scratch.Reset();
        MatrixView<float> error = _scratch.Matrix<float>(logits.Rows, logits.Columns);
        VectorView<double> sum = _scratch.Vector<double>(1);
        Activation.Forward(_stream, ActivationKind.Sigmoid, logits, error);
        Elementwise.Axpby(_stream, -1f, _batch.Inputs, 1f, error);
        Reduction.Dot(_stream, error, error, sum);
        return _stream.Read(sum);
    }
}
